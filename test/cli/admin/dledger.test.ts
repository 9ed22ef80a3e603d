/** `basaltmq admin dledger` and what it makes of every answer of a member: scripted ones, that also answer for their brokers. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { CODES, REQUEST_CODES } from '../../../src/dledger/core/index.ts'
import { silentLog } from '../../../src/log.ts'
import { answerTo, type RemotingCommand } from '../../../src/remoting/command.ts'
import { decodeCommand } from '../../../src/remoting/frame.ts'
import { REQUEST } from '../../../src/remoting/request-codes.ts'
import { RemotingServer } from '../../../src/remoting/server.ts'
import { Rig, type Server } from './rig.ts'

const GROUP = 'RaftNode00'
const PROCESSED = 200

/** One member of the group, its broker port and its DLedger port being one. */
class Scripted {
  readonly id: string
  /** What it says in METADATA; a JVM member says −1, and the term to who sends an old heartbeat. */
  leaderId: string | undefined
  term = 5
  isJvm = false
  rows: Record<string, string> = {}
  /** Answers to a transfer, the last for good. */
  transfers: Record<string, unknown>[] = []
  asked: { code: number; body: Record<string, unknown> }[] = []
  config: Record<string, string> = {}
  address = ''
  private readonly server: RemotingServer

  constructor(id: string) {
    this.id = id
    this.server = new RemotingServer({
      host: '127.0.0.1',
      port: 0,
      log: silentLog,
      clock: systemClock,
      handler: {
        opened() {},
        closed() {},
        frame: (connection, bytes, start, end) => {
          connection.send(this.answer(decodeCommand(bytes, start, end)))
          return 'taken'
        },
      },
    })
  }

  async listen(): Promise<void> {
    this.address = `127.0.0.1:${await this.server.listen()}`
  }

  close(): Promise<void> {
    return this.server.close()
  }

  private answer(asked: RemotingCommand): RemotingCommand {
    if (asked.code === REQUEST.GET_BROKER_CONFIG) {
      const lines = Object.entries(this.config).map(([key, value]) => `${key}=${value}\n`)
      return { ...answerTo(asked, 0), body: Buffer.from(lines.join('')) }
    }
    if (asked.code === REQUEST.GET_BROKER_RUNTIME_INFO)
      return { ...answerTo(asked, 0), body: Buffer.from(JSON.stringify({ table: this.rows })) }
    const body = JSON.parse(Buffer.from(asked.body ?? []).toString())
    this.asked.push({ code: asked.code, body })
    return { ...answerTo(asked, PROCESSED), body: Buffer.from(JSON.stringify(this.said(asked.code, body))) }
  }

  private said(code: number, body: Record<string, unknown>): unknown {
    if (body.remoteId !== this.id) return { ...body, code: CODES.UNKNOWN_MEMBER }
    if (code === REQUEST_CODES.METADATA)
      return { code: 200, group: GROUP, leaderId: this.leaderId, peers: {}, term: this.isJvm ? -1 : this.term }
    if (code === REQUEST_CODES.HEART_BEAT) return { code: CODES.EXPIRED_TERM, term: this.term }
    return this.transfers.length > 1 ? this.transfers.shift() : this.transfers[0]
  }
}

let members: Scripted[]
const it = new Rig<Server>()

beforeEach(async () => {
  members = ['n0', 'n1', 'n2'].map((id) => new Scripted(id))
  await Promise.all(members.map((member) => member.listen()))
  const dLegerPeers = members.map(({ id, address }) => `${id}-${address}`).join(';')
  for (const member of members) {
    const own = { dLegerPeers, dLegerSelfId: member.id, dLegerGroup: GROUP, enableDLegerCommitLog: 'true' }
    member.config = { brokerName: GROUP, brokerClusterName: 'Main', ...own }
    member.leaderId = 'n1'
  }
  // No NameServer: the address of one broker is enough.
  it.broker = { address: members[0]!.address, namesrv: '127.0.0.1:1' }
})

afterEach(async () => {
  await Promise.all(members.map((member) => member.close()))
})

function all(change: Partial<Scripted>): void {
  for (const member of members) Object.assign(member, change)
}

const at = () => `-b ${members[1]!.address}`
const row = (role: string, end: number, more: Record<string, string> = {}) => ({
  ...{ basalt_dledger_group: GROUP, basalt_dledger_role: role, basalt_dledger_term: '5', basalt_dledger_leader: 'n1' },
  ...{ basalt_dledger_begin_index: '0', basalt_dledger_end_index: String(end), basalt_dledger_committed_index: '7' },
  ...more,
})

describe('status', () => {
  test('of JVM members the term is asked by a heartbeat that is older than any, in the name of none but a peer', async () => {
    for (const member of members) member.isJvm = true
    const [group] = await it.json(`dledger status ${at()}`)
    expect(group).toMatchObject({ group: GROUP, cluster: 'Main', leaderId: 'n1', term: 5 })
    expect(group.members.map(({ role }: { role: string }) => role)).toEqual(['FOLLOWER', 'LEADER', 'FOLLOWER'])
    const heartbeats = members.flatMap(({ asked }) => asked.filter(({ code }) => code === REQUEST_CODES.HEART_BEAT))
    expect(heartbeats).toHaveLength(3)
    for (const { body } of heartbeats) {
      expect(body.term).toBe(-1)
      expect(body.leaderId).not.toBe(body.remoteId)
      expect(body.localId).toBeUndefined()
    }
  })

  test('rows of ours have indexes; the leader knows how far the others are, also a JVM member', async () => {
    const [n0, n1, n2] = members as [Scripted, Scripted, Scripted]
    n1.rows = row('LEADER', 12, {
      basalt_dledger_peer_n0: `${n0.address} match=9 behind=3`,
      basalt_dledger_peer_n2: `${n2.address} match=12 behind=0`,
    })
    n2.isJvm = true
    const { members: looks } = (await it.json(`dledger status ${at()}`))[0]
    expect(looks[0]).toMatchObject({ id: 'n0', lagEntries: 3, endIndex: 9 })
    expect(looks[1]).toMatchObject({ id: 'n1', isReady: true, beginIndex: 0, endIndex: 12, committedIndex: 7 })
    expect(looks[2]).toMatchObject({ id: 'n2', lagEntries: 0, endIndex: 12 })
    const { out } = await it.ok(`dledger status ${at()}`)
    expect(out).toMatch(/^RaftNode00 in Main: n1 leads in term 5\n/)
    expect(out).toMatch(/n0 +FOLLOWER +5 +n1 +- +9 +- +3 /)
  })

  test.each<[what: string, prepare: () => void, note: RegExp, status: number]>([
    ['nobody leads', () => all({ leaderId: undefined }), /nobody leads: n0, n1, n2/, 3],
    ['two lead', () => Object.assign(members[0]!, { leaderId: 'n0', term: 4 }), /n0 takes itself .* older term/, 0],
    ['one follows another', () => Object.assign(members[0]!, { leaderId: 'n2' }), /n0 follows n2, not n1/, 0],
    ['one seeks', () => Object.assign(members[2]!, { leaderId: undefined }), /n2 knows no leader/, 0],
    ['not ready', () => (members[1]!.rows = row('LEADER (not ready)', 3)), /n1 leads and takes no messages yet/, 0],
  ])('%s', async (_, prepare, note, status) => {
    prepare()
    const ran = await it.run(`dledger status ${at()}`)
    expect(ran.out).toMatch(note)
    expect(ran.status).toBe(status)
  })

  test('whoever answers for somebody else is named', async () => {
    const [n0, , n2] = members as [Scripted, Scripted, Scripted]
    for (const member of members) {
      member.config.dLegerPeers = `n0-${n2.address};n1-${members[1]!.address};n2-${n0.address}`
    }
    const { out } = await it.ok(`dledger status ${at()}`)
    expect(out).toContain(`- n0 tells nothing at its DLedger port: what answers there is not n0 of group ${GROUP}`)
  })

  test('a broker without DLedger, and a group that is not there', async () => {
    members[1]!.config.enableDLegerCommitLog = 'false'
    expect((await it.run(`dledger status ${at()}`)).error).toContain('is no member of a DLedger group')
    expect((await it.run('dledger status --json')).error).toContain('"NO_NAMESRV"')
  })
})

describe('transfer', () => {
  const leader = () => members[1]!
  const transfer = (more = '--yes') => it.run(`dledger transfer --to n2 ${at()} ${more}`)

  test('is asked of the leader with its term, and waits until the other leads', async () => {
    leader().transfers = [{ code: 200, term: 6 }]
    setTimeout(() => all({ leaderId: 'n2', term: 6 }), 300)
    const { json } = await transfer('--yes --json')
    expect(json).toMatchObject({ done: 'transferred', group: GROUP, from: 'n1', to: 'n2', term: 6 })
    expect(json.ms).toBeGreaterThan(200)
    const [asked] = leader().asked.filter(({ code }) => code === REQUEST_CODES.LEADERSHIP_TRANSFER)
    expect(asked?.body).toMatchObject({ group: GROUP, remoteId: 'n1', transferId: 'n1', transfereeId: 'n2', term: 5 })
  })

  test('asks before, and a dry run asks nobody', async () => {
    expect((await transfer('')).status).toBe(2)
    expect((await transfer('--dry-run')).out).toContain('n1 would be asked to hand RaftNode00 over to n2')
    expect(leader().asked.some(({ code }) => code === REQUEST_CODES.LEADERSHIP_TRANSFER)).toBe(false)
  })

  test('a broker of another group than the one that was named: refused, and nobody is asked', async () => {
    const { status, error } = await transfer('--group Other --yes')
    expect(status).toBe(1)
    expect(error).toContain(`is a member of group ${GROUP}, not of Other`)
    expect(leader().asked.some(({ code }) => code === REQUEST_CODES.LEADERSHIP_TRANSFER)).toBe(false)
  })

  test.each<[code: number, said: string]>([
    [CODES.NOT_LEADER, 'n1 leads no more'],
    [CODES.INCONSISTENT_TERM, 'the term changed meanwhile'],
    [CODES.UNKNOWN_MEMBER, 'n1 has no member n2 in its dLegerPeers'],
    [CODES.FALL_BEHIND_TOO_MUCH, 'n2 is 1000 entries behind or more'],
    [CODES.TAKE_LEADERSHIP_FAILED, 'n2 did not get the last entries in time, or was not elected'],
    [CODES.LEADER_PENDING_FULL, 'n1 has too many messages that no majority has yet'],
    [CODES.LEADER_TRANSFERRING, 'another transfer is under way'],
    [CODES.TERM_NOT_READY, 'n2 is still taking up the term'],
    [CODES.TIMEOUT, 'n2 does not answer n1'],
    [499, 'n1 answers with code 499'],
  ])('code %i', async (code, said) => {
    leader().transfers = [{ code, term: -1 }]
    const ran = await transfer()
    expect(ran.status).toBe(1)
    expect(ran.error).toContain(`leadership of RaftNode00 stays where it is (code ${code}): ${said}`)
  })

  test('a term that changed while we looked is asked again, once', async () => {
    leader().transfers = [
      { code: CODES.INCONSISTENT_TERM, term: -1 },
      { code: 200, term: 8 },
    ]
    const run = transfer()
    setTimeout(() => all({ leaderId: 'n2', term: 8 }), 300)
    expect((await run).out).toMatch(/^n2 leads RaftNode00 in term 8 after \d+ ms\n$/)
  })

  test('who does not lead after all is waited for so long, and said', async () => {
    leader().transfers = [{ code: 200, term: 6 }]
    const ran = await transfer('--yes --wait 200ms')
    expect(ran.error).toContain('n1 agreed, and n2 does not lead 200 ms later: it takes n1 for the leader')
  })
})
