/** Three members in one process, with real files and sockets: elections, appends, refusals, transfers, restarts. */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CODES, FAST_TIMERS, JVM_TIMERS, REQUEST_CODES } from '../../src/dledger/core/index.ts'
import { Member } from '../../src/dledger/member.ts'
import { ConfigError, StoreError } from '../../src/errors.ts'
import { type Log, silentLog } from '../../src/log.ts'
import { digests, openLog, removeScratch, SMALL, scratch, settingsIn } from './log/support.ts'
import { appendMany, DLedgerClient, eventually, GROUP, peersOf, peersText } from './support.ts'

let folder: string
let peers: Record<string, string>
let client: DLedgerClient
const members = new Map<string, Member>()

beforeEach(async () => {
  folder = scratch()
  peers = await peersOf(3)
  client = new DLedgerClient(peers)
})

afterEach(async () => {
  await Promise.all([...members.values()].map((it) => it.stop()))
  members.clear()
  await client.close()
  removeScratch()
})

async function start(selfId: string, flushBeforeAck = false, timers = FAST_TIMERS, log?: Log): Promise<Member> {
  const member = new Member({
    group: GROUP,
    selfId,
    peers: peersText(peers),
    storeBaseDir: join(folder, selfId),
    flushBeforeAck,
    timers,
    files: SMALL,
    ...(log === undefined ? {} : { log }),
  })
  members.set(selfId, member)
  await member.start()
  return member
}

async function startAll(flushBeforeAck = false): Promise<string> {
  for (const id of Object.keys(peers)) await start(id, flushBeforeAck)
  return await client.findLeader()
}

async function stop(id: string): Promise<void> {
  await members.get(id)!.stop()
  members.delete(id)
}

const dataOf = (id: string) => digests(join(folder, id, `dledger-${id}`, 'data'))
const endsAgree = () => {
  const ends = [...members.values()].map((it) => `${it.log.endIndex} ${it.commitIndex}`)
  return new Set(ends).size === 1
}

describe.each([
  { mode: 'acknowledged in page caches', flushBeforeAck: false },
  { mode: 'acknowledged on disks', flushBeforeAck: true },
])('a group, $mode', ({ flushBeforeAck }) => {
  test('what is appended is at all members, byte for byte, and can be read', async () => {
    const leader = await startAll(flushBeforeAck)
    const done = await appendMany(client, 'a', 600)
    await eventually(endsAgree, 'all members have the same end, committed')
    const metadata = await client.metadata(leader)
    expect(metadata).toMatchObject({ code: 200, leaderId: leader, peers, term: -1 })
    for (const { index, pos, body } of done.slice(0, 50)) {
      const { entries } = await client.get(leader, index)
      expect(entries).toHaveLength(1)
      expect(entries![0]).toMatchObject({ index, pos, body: Buffer.from(body).toString('base64') })
    }
    for (const id of Object.keys(peers)) await stop(id)
    expect(dataOf('n1')).toEqual(dataOf('n0'))
    expect(dataOf('n2')).toEqual(dataOf('n0'))
  })
})

test('a member that was away catches up; one whose disk is new is filled', async () => {
  const leader = await startAll()
  const [away, lost] = Object.keys(peers).filter((it) => it !== leader)
  await appendMany(client, 'before', 100)
  await stop(away!)
  await appendMany(client, 'while', 700)
  await start(away!)
  await eventually(endsAgree, 'the one that was away has caught up')
  await stop(lost!)
  // Another folder: nothing of what it was.
  folder = join(folder, 'new')
  await start(lost!)
  await eventually(endsAgree, 'the one with a new disk is filled')
  expect(members.get(lost!)!.log.endIndex).toBeGreaterThanOrEqual(800)
})

test('a leader keeps files that a live follower lacks; one that comes too late is filled from its first entry', async () => {
  const leader = await startAll()
  const [away, other] = Object.keys(peers).filter((it) => it !== leader)
  await appendMany(client, 'before', 50)
  await eventually(endsAgree, 'all are as far')
  await stop(away!)
  await appendMany(client, 'while', 900)
  const member = members.get(leader)!
  await eventually(() => members.get(other!)!.commitIndex === member.log.endIndex, 'the other one has all')
  const end = member.log.endPos
  // The one that is away answered a moment ago: what it lacks stays, and it lacks more than the first file.
  expect(member.retire(end)).toBe(0)
  expect(members.get(other!)!.retire(end)).toBeGreaterThan(0)
  expect(member.retire(end, true)).toBeGreaterThan(0)
  expect(member.log.beginIndex).toBeGreaterThan(100)
  await start(away!)
  await eventually(endsAgree, 'the one that came late is filled')
  const filled = members.get(away!)!.log
  expect(filled.beginIndex).toBe(member.log.beginIndex)
  await appendMany(client, 'after', 50)
  await eventually(endsAgree, 'all go on')
  // Nobody lacks anything now.
  await eventually(() => member.retire(member.log.endPos) >= 0 && filled.endIndex === member.log.endIndex, 'as far')
  for (const id of Object.keys(peers)) await stop(id)
  const [last] = Object.keys(dataOf(leader)).sort().slice(-1)
  expect(dataOf(away!)[last!]).toBe(dataOf(leader)[last!])
  expect(dataOf(other!)[last!]).toBe(dataOf(leader)[last!])
})

test('leadership goes where it is sent, and appends go on there', async () => {
  const first = await startAll()
  await appendMany(client, 'a', 50)
  const second = Object.keys(peers).find((it) => it !== first)!
  await eventually(endsAgree, 'all have caught up')
  const { term } = members.get(first)!
  expect(await client.transfer(first, second, term)).toEqual({ code: 200, term: term + 1 })
  expect(await client.findLeader()).toBe(second)
  await appendMany(client, 'b', 50)
  await eventually(endsAgree, 'all have caught up')
})

test('refusals are those of the original', async () => {
  const leader = await startAll()
  const other = Object.keys(peers).find((it) => it !== leader)!
  const body = Buffer.from('x').toString('base64')
  await eventually(async () => (await client.metadata(other)).leaderId === leader, 'the other one follows')
  const refused = { index: -1, pos: -1, leaderId: leader, term: -1, group: GROUP }
  expect(await client.call(other, REQUEST_CODES.APPEND, { body })).toEqual({ ...refused, code: 404, remoteId: other })
  expect(await client.call(leader, REQUEST_CODES.APPEND, { body, group: 'g2' })).toMatchObject({ code: 400 })
  expect(await client.call(leader, REQUEST_CODES.APPEND, { body, remoteId: 'n9' })).toMatchObject({ code: 401 })
  expect(await client.get(other, 0)).toMatchObject({ code: 404, entries: [] })
  expect(await client.get(leader, 4711)).toMatchObject({ code: 410, entries: [] })
  await expect(client.call(leader, REQUEST_CODES.APPEND, {})).rejects.toThrow(/with 1: /)
  await expect(client.call(leader, REQUEST_CODES.GET, {})).rejects.toThrow(/with 1: /)
  await expect(client.call(leader, 51_006, {})).rejects.toThrow('with 3:  request type 51006 not supported')
  await expect(client.call(leader, REQUEST_CODES.PUSH, { type: 'NONSENSE' })).rejects.toThrow(/with 1: /)
  const long = Buffer.alloc(70_000).toString('base64')
  expect(await client.call(leader, REQUEST_CODES.APPEND, { body: long })).toMatchObject({ code: CODES.DISK_ERROR })
})

test('members with different timers find each other out: the fast one gives up and says why, the others say it once', async () => {
  const said: string[] = []
  const errors = { ...silentLog, error: (text: string) => void said.push(text) }
  for (const id of ['n0', 'n1']) await start(id, false, JVM_TIMERS, errors)
  const fast = await start('n2')
  const error = (await fast.failed) as ConfigError
  members.delete('n2')
  expect(error).toBeInstanceOf(ConfigError)
  expect(error.code).toBe('FAST_ELECTION_MIXED')
  expect(error.message).toMatch(/member n[01] \(127\.0\.0\.1:\d+\) has false/)
  await appendMany(client, 'two are enough', 20)
  for (const text of said)
    expect(text).toMatch(/member n2 \(127.0.0.1:\d+\) has dLedgerFastElection=true, this member has not/)
  // Whoever has heard nothing of it before it gave up has nothing to say.
  expect(said.length).toBeLessThan(3)
})

test('a member of the JVM, which says nothing about timers, is named by a fast one', async () => {
  const fast = await start('n0')
  const vote = { leaderId: 'n1', localId: 'n1', ledgerEndIndex: -1, ledgerEndTerm: -1, term: 1 }
  await client.call('n0', REQUEST_CODES.VOTE, vote).catch(() => undefined)
  expect(await fast.failed).toMatchObject({ code: 'FAST_ELECTION_WITH_JVM' })
  members.delete('n0')
  expect(String(await fast.failed)).toMatch(/member n1 \(127\.0\.0\.1:\d+\) is no Basalt broker/)
})

test('without a majority nothing is acknowledged; the leader steps down and says so', async () => {
  const leader = await startAll()
  await appendMany(client, 'a', 10)
  for (const id of Object.keys(peers)) if (id !== leader) await stop(id)
  const answer = await client.tryAppend(leader, 'nobody else has it')
  // Waiting when it stepped down, or after that: both say that nothing is promised.
  expect([CODES.TERM_CHANGED, CODES.NOT_LEADER]).toContain(answer?.code)
  await eventually(() => members.get(leader)!.role !== 'LEADER', 'it steps down')
})

test('a second process on the same folder, and a member that is no peer, do not start', async () => {
  await start('n0')
  await expect(start('n0')).rejects.toThrow(/another process uses this DLedger store/)
  await expect(start('n7')).rejects.toThrow(/dLegerPeers has no such member/)
})

test('after a clean stop the checkpoint says what is committed, and a start believes it', async () => {
  await startAll()
  await appendMany(client, 'a', 30)
  await eventually(endsAgree, 'all have caught up')
  const committed = members.get('n0')!.commitIndex
  await stop('n0')
  const settings = settingsIn(join(folder, 'n0'))
  const log = openLog(settings)
  expect(log.state.loadCheckpoint()).toEqual({ committedIndex: committed, endIndex: committed })
  log.close()
  expect((await start('n0')).commitIndex).toBeGreaterThanOrEqual(committed)
})

test('a leader whose disk fails acknowledges nothing more and gives up; the others go on', async () => {
  const leader = await startAll(true)
  await appendMany(client, 'a', 20)
  const member = members.get(leader)!
  member.log.sync = () => Promise.reject(new Error('EIO: i/o error, fdatasync'))
  const answer = await client.tryAppend(leader, 'not on disk')
  expect(answer?.code).not.toBe(CODES.SUCCESS)
  expect(String(await member.failed)).toContain('EIO')
  members.delete(leader)
  const acknowledged = await client.append('on two disks')
  expect((await client.get(await client.findLeader(), acknowledged.index)).code).toBe(CODES.SUCCESS)
})

test('a full disk at the leader is said, and appends go on when there is room', async () => {
  const leader = await startAll()
  const { log } = members.get(leader)!
  const files = (log as unknown as { data: { ensure(pos: number): void } }).data
  const ensure = files.ensure.bind(files)
  files.ensure = () => {
    throw new StoreError('DISK_FULL', { what: 'no room' })
  }
  expect((await client.tryAppend(leader, 'no room'))?.code).toBe(CODES.DISK_FULL)
  files.ensure = ensure
  await appendMany(client, 'a', 20)
  await eventually(endsAgree, 'all have caught up')
})

test('an append that no majority takes in time is answered 502, and may be committed later all the same', async () => {
  // A leader that waits long for its followers.
  const patient = { ...FAST_TIMERS, leaderLeakMs: 20_000 }
  for (const id of Object.keys(peers)) await start(id, false, patient)
  const leader = await client.findLeader()
  const followers = Object.keys(peers).filter((it) => it !== leader)
  for (const id of followers) await stop(id)
  const began = performance.now()
  const answer = await client.tryAppend(leader, 'late')
  expect(answer).toMatchObject({ code: CODES.WAIT_QUORUM_ACK_TIMEOUT, pos: -1, leaderId: leader, group: GROUP })
  expect(performance.now() - began).toBeGreaterThan(2400)
  const index = answer!.index!
  await start(followers[0]!, false, patient)
  await eventually(() => members.get(leader)!.commitIndex >= index, 'it is committed')
  const { entries } = await client.get(leader, index)
  expect(entries![0]!.body).toBe(Buffer.from('late').toString('base64'))
})
