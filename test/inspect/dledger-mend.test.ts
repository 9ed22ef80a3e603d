/**
 * `inspect repair` and `inspect dry-start` on the stores of members of a DLedger group: queues and index are built again of what is
 * committed, byte for byte as RocketMQ wrote them, and the log stays; what a start is foretold to do it does.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { freeBrokerPort } from '../../src/bench/ports.ts'
import type { BrokerConfig } from '../../src/config/index.ts'
import { type DryStart, openStore, type RepairPlan, verifyStore } from '../../src/inspect/index.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { GROUP } from '../broker/dledger/support.ts'
import { filesBelow, patch } from '../store/dispatch/support.ts'
import { type DLedgerVector, dledgerStore } from '../store/dledger/stores.ts'
import { capturedLog, scratchFolder } from '../store/scratch.ts'
import { inspect } from './stores.ts'

const UNIT = 20

const storeOf = (name: DLedgerVector): string => {
  const root = join(scratchFolder(), 'store')
  renameSync(dledgerStore(name), root)
  return root
}

/** Of all files but the lock, by path. */
function contentOf(root: string): Map<string, string> {
  const files = [...filesBelow(root)].filter(([path]) => path !== 'lock')
  return new Map(files.map(([path, bytes]) => [path, createHash('sha1').update(bytes).digest('hex')]))
}

const backupOf = (root: string) => {
  const name = readdirSync(dirname(root)).find((it) => it.startsWith('store.repair-'))
  return join(dirname(root), name!)
}

const QUEUE = 'consumequeue/RaftTopic/1'

const DAMAGES: [what: string, damage: (root: string) => void, parts: string[], same: string[], sizes: string[]][] = [
  [
    'a queue without its folder',
    (root) => rmSync(join(root, QUEUE), { recursive: true }),
    ['queues'],
    ['consumequeue', 'index', 'config'],
    [],
  ],
  [
    'no consumequeue at all',
    (root) => rmSync(join(root, 'consumequeue'), { recursive: true }),
    ['queues', 'queues', 'queues', 'queues', 'queues'],
    ['consumequeue', 'index', 'config'],
    ['--set', 'mappedFileSizeConsumeQueue=6000'],
  ],
  [
    'a hole and a wrong size in two queues',
    (root) => {
      patch(join(root, `${QUEUE}/00000000000000000000`), 400, Buffer.alloc(100))
      patch(join(root, 'consumequeue/SCHEDULE_TOPIC_XXXX/0/00000000000000000000'), 11, Buffer.from([1]))
    },
    ['queues', 'queues'],
    ['consumequeue', 'index', 'config'],
    [],
  ],
  [
    'no index',
    (root) => rmSync(join(root, 'index'), { recursive: true }),
    ['index', 'checkpoint'],
    ['consumequeue', 'config'],
    ['--set', 'maxHashSlotNum=500', '--set', 'maxIndexNum=2000'],
  ],
  [
    'an offset beyond its queue',
    (root) => writeFileSync(join(root, 'config/delayOffset.json'), '{"offsetTable":{1:99}}'),
    ['offsets'],
    ['consumequeue', 'index'],
    [],
  ],
]

describe('a damaged store of a member', () => {
  test.each(DAMAGES)('with %s is mended, its log untouched, and given back', async (_, damage, parts, same, sizes) => {
    const root = storeOf('rmq-clean-n2')
    const original = contentOf(root)
    damage(root)
    const damaged = contentOf(root)
    const planned = await inspect('repair', root, '--json', ...sizes)
    const { plan } = planned.objects()[0] as unknown as { plan: RepairPlan }
    expect([planned.status, plan.left, plan.actions.map(({ part }) => part)]).toEqual([3, [], parts])
    expect(contentOf(root)).toEqual(damaged)

    const { status, printed, complained } = await inspect('repair', root, '--apply', ...sizes)
    expect([status, complained], printed).toEqual([0, ''])
    expect((await verifyStore(openStore(root))).isWhole).toBe(true)
    const mended = contentOf(root)
    for (const [path, bytes] of original)
      if ([...same, 'dledger-n2'].some((below) => path.startsWith(below))) expect(mended.get(path), path).toBe(bytes)
    expect((await inspect('repair', root, '--undo', backupOf(root))).status).toBe(0)
    expect(contentOf(root)).toEqual(damaged)
  })

  const UNPROVEN: [what: string, damage: (root: string) => void][] = [
    ['without any queue', (root) => rmSync(join(root, 'consumequeue'), { recursive: true })],
    ['with a unit that is wrong', (root) => patch(join(root, `${QUEUE}/00000000000000000000`), 11, Buffer.from([1]))],
  ]
  test.each(UNPROVEN)(
    '%s gets units of what is known to be committed, and none of what may still be cut',
    async (_, damage) => {
      const root = storeOf('rmq-clean-n2')
      const log = (await inspect('log', root, '--index', '500', '--json')).objects()[0] as {
        entry: { position: number }
      }
      writeFileSync(join(root, 'dledger-n2/checkpoint'), 'committedIndex=499\nendIndex=543\n')
      damage(root)
      const { status, printed } = await inspect('repair', root, '--apply', '--set', 'mappedFileSizeConsumeQueue=6000')
      expect(status, printed).toBe(0)
      const ends = [...filesBelow(join(root, 'consumequeue'))].flatMap(([, bytes]) =>
        Array.from({ length: bytes.length / UNIT }, (_, i) => bytes.subarray(i * UNIT, (i + 1) * UNIT))
          .filter((unit) => unit.readInt32BE(8) > 0)
          .map((unit) => Number(unit.readBigInt64BE(0)) + unit.readInt32BE(8)),
      )
      expect(ends).toHaveLength(500)
      expect(Math.max(...ends)).toBe(log.entry.position)
      // The start of a member goes on from there.
      const { dispatch } = await foretold(root)
      expect(dispatch!.from).toBe(log.entry.position)
    },
  )

  test('whose log is damaged keeps it: the remedy is its group', async () => {
    const root = storeOf('rmq-clean-n2')
    patch(join(root, 'dledger-n2/data/00000000000000065536'), 20_000, Buffer.alloc(300, 1))
    const before = contentOf(root)
    const { findings } = await verifyStore(openStore(root))
    const [{ remedy }] = findings.filter(({ code }) => code === 'RECORD_DAMAGED')
    expect(remedy).toContain('filled again by the others of its group')
    const { status, printed } = await inspect('repair', root, '--only', 'tail,strays')
    expect(status).toBe(3)
    expect(printed).toContain('nothing that a repair could do')
    expect(contentOf(root)).toEqual(before)
  })
})

const FILES: Partial<BrokerConfig> = {
  mappedFileSizeCommitLog: 65_536,
  mappedFileSizeConsumeQueue: 6000,
  maxHashSlotNum: 500,
  maxIndexNum: 2000,
  maxMessageSize: 16_384,
}

async function foretold(root: string, ...more: string[]): Promise<DryStart & { status: number }> {
  const { status, objects } = await inspect('dry-start', root, '--json', ...more)
  return { ...(objects()[0] as unknown as DryStart), status }
}

const data = (root: string, start: number) =>
  join(root, `dledger-${root.includes('killed') ? 'n0' : 'n2'}`, 'data', String(start).padStart(20, '0'))
const END = 231_389

const STARTS: [what: string, store: DLedgerVector, damage: (root: string) => void, expected: Partial<DryStart>][] = [
  ['a member that stopped', 'rmq-clean-n2', () => {}, { verdict: 'as it is', cut: [] }],
  ['a member that was killed', 'rmq-killed-n0', () => {}, { verdict: 'mended' }],
  [
    'an entry that is torn',
    'rmq-clean-n2',
    (root) => {
      writeFileSync(join(root, 'abort'), '1')
      const path = data(root, 196_608)
      patch(path, END - 196_608, readFileSync(path).subarray(0, 300))
    },
    {
      verdict: 'mended',
      cut: [
        { file: expect.stringContaining('data/00000000000000196608'), offset: END - 196_608 + 3, bytes: 297 },
      ] as never,
    },
  ],
  [
    'no entry index',
    'rmq-clean-n2',
    (root) => rmSync(join(root, 'dledger-n2/index'), { recursive: true }),
    { verdict: 'mended', cut: [] },
  ],
  [
    'a data file that is short',
    'rmq-clean-n2',
    (root) => truncateSync(data(root, 196_608), 40_000),
    { verdict: 'mended' },
  ],
  [
    'a queue that is gone after a kill',
    'rmq-clean-n2',
    (root) => {
      writeFileSync(join(root, 'abort'), '1')
      rmSync(join(root, QUEUE), { recursive: true })
    },
    { verdict: 'mended', cut: [] },
  ],
  ['a data file that is gone', 'rmq-clean-n2', (root) => rmSync(data(root, 65_536)), { verdict: 'refused' }],
  [
    'damage below two files',
    'rmq-clean-n2',
    (root) => patch(data(root, 65_536), 300, Buffer.alloc(500, 1)),
    { verdict: 'refused' },
  ],
  [
    'no vote to be read',
    'rmq-clean-n2',
    (root) => {
      for (const name of ['currterm', 'currterm.bak']) writeFileSync(join(root, 'dledger-n2', name), 'rubbish\n')
    },
    { verdict: 'refused' },
  ],
  ['a CommitLog before it', 'rmq-mixed', () => {}, { verdict: 'as it is', cut: [] }],
]

describe('what is foretold to a member', () => {
  test.each(STARTS)('of %s is what its broker does', async (_, name, damage, expected) => {
    const root = storeOf(name)
    damage(root)
    const before = contentOf(root)
    const told = await foretold(root)
    expect(told).toMatchObject(expected)
    expect(told.status).toBe(told.verdict === 'as it is' ? 0 : 3)
    expect(contentOf(root)).toEqual(before)

    const [member] = readdirSync(root).filter((it) => it.startsWith('dledger-'))
    const id = member!.slice('dledger-'.length)
    const log = capturedLog()
    const config = {
      ...FILES,
      brokerName: GROUP,
      enableDLegerCommitLog: true,
      dLedgerFastElection: true,
      dLegerSelfId: id,
      dLegerPeers: `${id}-127.0.0.1:${await freeBrokerPort()}`,
    }
    const start = startTestBroker({ folder: root, config, log })
    if (told.verdict === 'refused') {
      const error: { code?: string; message?: string } = await start.then(
        () => ({}),
        (reason) => reason,
      )
      expect([error.code, error.message]).toEqual([told.refusal!.code, expect.stringContaining(told.refusal!.what)])
      return
    }
    const broker = await start
    onTestFinished(() => broker.close())
    const { min, end } = told.log!
    expect(broker.handle.store.found).toContain(`log of ${end - min} bytes from ${min}, `)
    expect(broker.handle.store.found).toContain(`${told.scan!.recordCount} records read`)
    const { endIndex, endTerm } = told.entries!
    expect(log.of('info').join('\n')).toContain(`ends at ${end}, with entry ${endIndex} of term ${endTerm}`)
    const said = [...log.of('warn'), ...log.of('error')]
    for (const { what } of told.messages) if (!what.includes('entry index')) expect(said).toContain(what)
    for (const { file, offset, bytes } of told.cut)
      expect(
        readFileSync(file)
          .subarray(offset, offset + bytes)
          .some((byte) => byte === 1),
      ).toBe(false)
  })
})

test('a classic store that is to become that of a member: where its entries begin, and nothing is made', async () => {
  const root = join(scratchFolder(), 'store')
  await using broker = await startTestBroker({
    folder: root,
    config: { mappedFileSizeCommitLog: 65_536, maxMessageSize: 16_384 },
  })
  await broker.close()
  const before = contentOf(root)
  const member = ['enableDLegerCommitLog=true', 'dLegerSelfId=n0', 'dLegerPeers=n0-127.0.0.1:40911'].flatMap((it) => [
    '--set',
    it,
  ])
  const { entries, verdict } = await foretold(root, ...member)
  expect({ entries, verdict }).toMatchObject({ entries: { endIndex: -1, divide: 0 }, verdict: 'as it is' })
  expect(existsSync(join(root, 'dledger-n0'))).toBe(false)
  expect(contentOf(root)).toEqual(before)
})
