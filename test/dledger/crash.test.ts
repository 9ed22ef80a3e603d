/** Members as processes, killed with -9: nothing acknowledged is lost, no vote is given twice, a torn tail is filled again. */
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ServerProcess } from '../../src/bench/server-process.ts'
import { REQUEST_CODES } from '../../src/dledger/core/index.ts'
import { digests, openLog, removeScratch, SMALL, scratch, settingsIn } from './log/support.ts'
import {
  type Acknowledged,
  appendMany,
  DLedgerClient,
  eventually,
  GROUP,
  peersOf,
  peersText,
  startMember,
} from './support.ts'

let folder: string
let peers: Record<string, string>
let client: DLedgerClient
const running = new Map<string, ServerProcess>()

beforeEach(async () => {
  folder = scratch()
  peers = await peersOf(3)
  client = new DLedgerClient(peers)
})

afterEach(async () => {
  await Promise.all([...running.values()].map((it) => it.kill()))
  running.clear()
  await client.close()
  removeScratch()
})

async function start(selfId: string, fast = true, flushBeforeAck = false): Promise<void> {
  const storeBaseDir = join(folder, selfId)
  const options = { group: GROUP, selfId, peers: peersText(peers), storeBaseDir, flushBeforeAck, files: SMALL, fast }
  running.set(selfId, await startMember(options))
}

async function kill(id: string): Promise<void> {
  await running.get(id)!.kill()
  running.delete(id)
}

const others = (id: string) => Object.keys(peers).filter((it) => it !== id)

/** Of a member that does not run. */
function ends(id: string): { index: number; pos: number } {
  const log = openLog(settingsIn(join(folder, id), {}, id))
  const found = { index: log.endIndex, pos: log.endPos }
  log.close()
  return found
}

async function stopAllEqual(done: readonly Acknowledged[]): Promise<void> {
  // The last no-op of whoever leads now has to be everywhere.
  const last = await client.append('the last one')
  await new Promise((resolve) => setTimeout(resolve, 300))
  for (const id of Object.keys(peers)) expect(await running.get(id)!.stop()).toBe(true)
  running.clear()
  const data = digests(join(folder, 'n0', 'dledger-n0', 'data'))
  for (const id of ['n1', 'n2']) expect(digests(join(folder, id, `dledger-${id}`, 'data')), id).toEqual(data)
  const log = openLog(settingsIn(join(folder, 'n1'), {}, 'n1'))
  for (const { index, pos, body } of [...done, last]) {
    const entry = log.entryAt(index)
    expect({ pos: entry?.pos, body: Buffer.from(entry?.body ?? []).toString() }).toEqual({ pos, body })
  }
  log.close()
}

test.each([
  { mode: 'page caches', flushBeforeAck: false },
  { mode: 'disks', flushBeforeAck: true },
])(
  'whoever leads is killed under load, four times ($mode): what was acknowledged is there',
  async ({ flushBeforeAck }) => {
    for (const id of Object.keys(peers)) await start(id, true, flushBeforeAck)
    const done: Acknowledged[] = []
    let isOver = false
    const load = (async () => {
      for (let round = 0; !isOver; round++) done.push(...(await appendMany(client, `r${round}`, 100, 8)))
    })()
    for (let kills = 0; kills < 4; kills++) {
      const before = done.length
      await eventually(() => done.length > before, 'appends go on')
      const leader = await client.findLeader()
      await kill(leader)
      await start(leader, true, flushBeforeAck)
    }
    isOver = true
    await load
    expect(done.length).toBeGreaterThan(300)
    await stopAllEqual(done)
  },
)

test('a vote that was given is given for ever', async () => {
  await start('n0', false)
  const vote = async (candidate: string, term: number) =>
    (await client.call('n0', REQUEST_CODES.VOTE, {
      leaderId: candidate,
      localId: candidate,
      ledgerEndIndex: -1,
      ledgerEndTerm: -1,
      term,
    })) as unknown as { voteResult: string; term: number }
  for (let term = 5; term < 8; term++) {
    expect(await vote('n1', term)).toMatchObject({ voteResult: 'ACCEPT', term })
    await kill('n0')
    expect(readFileSync(join(folder, 'n0', 'dledger-n0', 'currterm'), 'utf8')).toBe(`voteLeader=n1\ncurrTerm=${term}\n`)
    await start('n0', false)
    expect(await vote('n2', term)).toMatchObject({ voteResult: 'REJECT_ALREADY_VOTED' })
    expect(await vote('n2', term - 1)).toMatchObject({ voteResult: 'REJECT_EXPIRED_VOTE_TERM', term })
    expect(await vote('n1', term)).toMatchObject({ voteResult: 'ACCEPT' })
  }
})

test('a follower that finds its tail torn is filled again', async () => {
  for (const id of Object.keys(peers)) await start(id)
  const done = await appendMany(client, 'a', 300)
  const torn = others(await client.findLeader())[0]!
  await kill(torn)
  const before = ends(torn)
  // What a power loss may leave: the header of an entry, and zeros where half of its body was to be.
  const data = join(folder, torn, `dledger-${torn}`, 'data')
  const last = readdirSync(data).sort().pop()!
  const fd = openSync(join(data, last), 'r+')
  writeSync(fd, Buffer.alloc(20), 0, 20, before.pos - Number(last) - 20)
  closeSync(fd)
  expect(ends(torn).index).toBe(before.index - 1)
  await start(torn)
  done.push(...(await appendMany(client, 'b', 20)))
  await stopAllEqual(done)
})
