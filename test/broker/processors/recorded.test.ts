/**
 * What clients asked a real broker of 4.9.8, asked of our processors: the answers must be the recorded ones wherever the
 * traffic before determines them. The scenarios run one after another, as they were recorded, on one set of tables.
 */
import { describe, expect, test } from 'vitest'
import type { RemotingCommand } from '../../../src/remoting/command.ts'
import { decodeCommand } from '../../../src/remoting/frame.ts'
import { javaHash } from '../../../src/store/commitlog/java-hash.ts'
import { decodeRecord } from '../../../src/store/commitlog/record.ts'
import { quoteIntegerKeys } from '../../../src/store/metadata/index.ts'
import { framesOf, type RecordedFrame } from '../../remoting/vectors.ts'
import { asConnection, bodyOf, type FakeConnection, type Rig, rig, textOf } from '../rig.ts'

type Frame = RecordedFrame & { link: string; conn: number; dir: string; ms: number }

const ORDER = ['send', 'pull', 'push', 'orderly', 'transaction', 'admin']
const OURS = new Set([
  12, 14, 15, 17, 21, 26, 28, 29, 30, 31, 32, 33, 34, 35, 38, 41, 42, 200, 201, 202, 203, 204, 208, 215, 222, 300, 305,
  307, 321, 9999,
])
const SENDS = new Set([10, 310, 320])

/** The store as the recorded bodies show it: every record that a pull, query or view gave back. */
function fillStore(rigged: Rig, tree: string): void {
  const seen = new Set<number>()
  for (const scenario of ORDER) {
    for (const frame of framesOf(`${tree}/${scenario}`) as Frame[]) {
      if (frame.kind !== 'response' || ![11, 12, 33].includes(frame.answers ?? 0)) continue
      const body = frame.bytes.subarray(frame.bodyOffset, frame.bodyOffset + frame.bodyLength)
      for (let at = 0; at < body.length; at += body.readInt32BE(at)) {
        const message = decodeRecord(body, at)
        if (message === undefined || seen.has(message.physicalOffset)) continue
        seen.add(message.physicalOffset)
        const { topic, queueId, queueOffset, physicalOffset, storeTimestamp } = message
        const keys = ['KEYS', 'UNIQ_KEY'].flatMap((name) => (message.properties.get(name) ?? '').split(' '))
        const bytes = body.subarray(at, at + body.readInt32BE(at))
        const tagsCode = BigInt(javaHash(message.properties.get('TAGS') ?? ''))
        rigged.store.messages.push({
          ...{ topic, queueId, queueOffset, physicalOffset, storeTimestamp, keys, tagsCode, bytes },
        })
      }
    }
  }
  rigged.store.messages.sort((a, b) => a.physicalOffset - b.physicalOffset)
}

/** What the modules that are not here would do to the tables on these requests. */
function otherModules({ state }: Rig, command: RemotingCommand, answered: number | undefined): void {
  const ext = command.ext ?? {}
  if (SENDS.has(command.code) && answered !== 1) {
    const topic = ext.b ?? ext.topic
    const isHalf = (ext.i ?? '').includes('TRAN_MSG')
    const wish = { topic, defaultTopic: ext.c ?? 'TBW102', queueNums: Number(ext.d ?? 4), unitMode: false, remote: '' }
    state.topics.autoCreate(wish)
    if (isHalf) state.topics.createInternal({ topic: 'RMQ_SYS_TRANS_HALF_TOPIC', queueNums: 1, perm: 6 })
  }
  if (command.code === 11) {
    state.groups.find(ext.consumerGroup)
    if ((Number(ext.sysFlag) & 1) === 1) {
      state.offsets.commit(ext.consumerGroup, ext.topic, Number(ext.queueId), Number(ext.commitOffset), '')
    }
  }
}

interface Compared {
  request: RemotingCommand
  recorded: RemotingCommand
  ours: RemotingCommand | undefined
}

async function replay(tree: string): Promise<{ compared: Compared[]; told: string[][]; rigged: Rig }> {
  const rigged = rig()
  fillStore(rigged, tree)
  const compared: Compared[] = []
  const told: string[][] = []
  for (const scenario of ORDER) {
    const frames = (framesOf(`${tree}/${scenario}`) as Frame[]).filter((it) => it.link === 'client-broker')
    const connections = new Map<number, FakeConnection>()
    const connectionOf = (conn: number) => {
      const known = connections.get(conn) ?? rigged.connect(`127.0.0.1:${conn}`)
      connections.set(conn, known)
      // What the broker asks of a client is answered as the recorded client answered.
      known.onInvoke = async (asked) => {
        const sent = frames.find((it) => it.dir === 's2c' && it.conn === conn && it.code === asked.code)
        const given = frames.find(
          (it) => it.dir === 'c2s' && it.kind === 'response' && it.conn === conn && it.opaque === sent?.opaque,
        )
        if (sent === undefined || given === undefined) throw new Error(`nobody was asked ${asked.code}`)
        expect(asked.ext ?? {}).toEqual(sent.header.extFields ?? {})
        return decodeCommand(given.bytes, 0, given.bytes.length)
      }
      return known
    }
    for (const frame of frames) {
      if (frame.dir !== 'c2s' || frame.kind === 'response') continue
      const request = decodeCommand(frame.bytes, 0, frame.bytes.length)
      const answer = frames.find(
        (it) => it.kind === 'response' && it.conn === frame.conn && it.dir === 's2c' && it.opaque === frame.opaque,
      )
      otherModules(rigged, request, answer?.code)
      if (!OURS.has(request.code)) continue
      const ours = await rigged.router.handle(request, asConnection(connectionOf(frame.conn)))
      const recorded = answer === undefined ? undefined : decodeCommand(answer.bytes, 0, answer.bytes.length)
      if (recorded === undefined) expect(ours).toBe(undefined)
      else compared.push({ request, recorded, ours })
    }
    const notified = [...connections.values()].flatMap((it) => it.notified())
    const recordedOnes = frames.filter((it) => it.dir === 's2c' && it.code === 40 && it.kind === 'oneway')
    told.push([
      notified.sort().join(),
      recordedOnes
        .map((it) => it.header.extFields?.consumerGroup)
        .sort()
        .join(),
    ])
    for (const connection of connections.values()) connection.close('closed by the peer')
  }
  return { compared, told, rigged }
}

/** One form for what has no order, and for times that only the recorded clock knows. */
function comparable(text: string): unknown {
  if (text === '') return undefined
  const plain = text.replaceAll(/"clientAddr":"[^"]*"/g, '"clientAddr":""')
  // Rates depend on the clock of the recording.
  if (plain.includes('{{') || plain.includes('consumeTps'))
    return plain.replace(/"consumeTps":[\d.]+/, '"consumeTps":0')
  const value = JSON.parse(quoteIntegerKeys(plain)) as Record<string, unknown>
  for (const key of ['consumerIdList', 'topicList', 'groupList']) {
    if (Array.isArray(value[key])) value[key] = [...value[key]].sort()
  }
  const version = value.dataVersion as { timestamp?: number } | undefined
  if (version !== undefined) version.timestamp = 0
  return value
}

describe.each(['wire-json', 'wire-rocketmq'])('%s', (tree) => {
  test('every request of a recorded client is answered as 4.9.8 answered it', async () => {
    const { compared, told } = await replay(tree)
    expect(compared.length).toBeGreaterThan(70)
    for (const { request, recorded, ours } of compared) {
      const label = `${request.code} ${JSON.stringify(request.ext)}`
      expect(ours, label).toBeDefined()
      expect([ours!.code, ours!.opaque, ours!.flag, ours!.serialize, ours!.version], label).toEqual([
        recorded.code,
        recorded.opaque,
        recorded.flag,
        recorded.serialize,
        recorded.version,
      ])
      // Ours adds what was searched to a query by key that finds nothing.
      const remark = request.code === 12 ? ours!.remark?.replace(/: searched were store times.*$/, '') : ours!.remark
      if (recorded.code !== 0) expect(remark, label).toBe(recorded.remark)
      if (request.code === 26 || request.code === 28) continue
      expect(ours!.ext ?? {}, label).toEqual(recorded.ext ?? {})
      if (request.code === 12 || request.code === 33) expect(ours!.body, label).toEqual(recorded.body)
      else expect(comparable(textOf(ours)), label).toEqual(comparable(textOf(recorded)))
    }
    for (const [ours, recorded] of told) expect(ours).toBe(recorded)
  })

  test('the runtime table has every row of 4.9.8', async () => {
    const { compared } = await replay(tree)
    const { recorded, ours } = compared.find((it) => it.request.code === 28)!
    const rows = Object.keys((bodyOf(recorded) as { table: Record<string, string> }).table)
    const table = (bodyOf(ours) as { table: Record<string, string> }).table
    for (const row of rows) {
      if (!row.startsWith('commitLogDiskRatio_')) expect(Object.keys(table)).toContain(row)
    }
    expect(Object.values(table).every((value) => typeof value === 'string')).toBe(true)
    expect(table).toMatchObject({
      remainHowManyDataToFlush: '627 B',
      commitLogDirCapacity: 'Total : 252.0 GiB, Free : 74.9 GiB.',
      commitLogDiskRatio: '0.27',
      scheduleMessageOffset_1: '3,3',
    })
  })

  test('after the recorded traffic the offsets are those that a slave copied from 4.9.8', async () => {
    const { rigged } = await replay(tree)
    const copied = (framesOf(`${tree}/ha`) as Frame[]).find((it) => it.kind === 'response' && it.answers === 43)!
    const theirs = JSON.parse(quoteIntegerKeys(textOf(decodeCommand(copied.bytes, 0, copied.bytes.length)))) as {
      offsetTable: Record<string, unknown>
    }
    const users = Object.entries(theirs.offsetTable).filter(([key]) => !key.endsWith('@CID_RMQ_SYS_TRANS'))
    const { offsetTable } = bodyOf(await rigged.ask(43)) as { offsetTable: Record<string, unknown> }
    expect(Object.fromEntries(Object.entries(offsetTable))).toEqual(Object.fromEntries(users))
  })
})
