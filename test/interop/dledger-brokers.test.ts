/**
 * Groups of brokers, ours and Apache's 4.9.7 with enableDLegerCommitLog: each is made leader and killed while it leads, a Java client
 * sends and consumes all the while. Nothing acknowledged is lost, all logs are the same bytes; then each opens the store of the other
 * kind. An upgrade in place from a classic store.
 */
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { createTopic } from '../../bench/load/drain.mjs'
import { CODES } from '../../src/dledger/core/index.ts'
import { startApacheBroker } from '../../tools/apache/apache.mjs'
import { freeBrokerPort, type ServerProcess, until } from '../../tools/apache/process.mjs'
import { DLedgerClient, peersOf, peersText } from '../dledger/support.ts'
import { TestClient } from '../support/client.ts'
import { startNames } from './support/moving.ts'
import { differences, hashes, holes, producer, readAll, steadyClients } from './support/programs.ts'
import {
  APACHE_JAVA,
  APACHE_PATIENCE,
  apacheIsThere,
  type Config,
  isRouted,
  KIND,
  type Kind,
  ORACLE,
  registerAgain,
  Scratch,
  SMALL_FILES,
  startOurs,
  startSystem,
} from './support/systems.ts'

const GROUP = 'RaftNode00'
const TOPIC = 'Raft'
const LONG_MS = 60_000
const RUNTIME_INFO = 28
const scratch = new Scratch()
afterAll(() => scratch.remove())

class Member {
  readonly id: string
  readonly store: string
  readonly port: number
  kind: Kind
  private readonly group: Group
  private process: ServerProcess | undefined

  constructor(group: Group, id: string, kind: Kind, port: number) {
    this.group = group
    this.id = id
    this.kind = kind
    this.port = port
    this.store = scratch.sub(`store-${id}`)
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  async start(config: Config = {}): Promise<void> {
    const { kind, id, port, store } = this
    const { namesrv, peers } = this.group
    const folder = scratch.sub(`${kind}-${id}`)
    const values = {
      ...SMALL_FILES,
      ...{ brokerName: GROUP, enableDLegerCommitLog: true, dLegerGroup: GROUP },
      ...{ dLegerPeers: peersText(peers), dLegerSelfId: id, ...config },
    }
    if (kind === 'apache') {
      const options = { version: ORACLE, folder, java: APACHE_JAVA, port, store, namesrv, name: GROUP }
      this.process = await startApacheBroker({ ...options, config: { ...APACHE_PATIENCE, ...values } })
      return
    }
    this.process = startOurs('broker', folder, {
      ...{ brokerClusterName: 'DefaultCluster', namesrvAddr: namesrv, brokerIP1: '127.0.0.1' },
      ...{ listenPort: port, storePathRootDir: store, ...values },
    })
    await this.process.listening(port)
  }

  async kill(): Promise<void> {
    await this.process?.kill()
  }

  async stop(): Promise<boolean> {
    return (await this.process?.stop()) ?? true
  }

  log(): string {
    return this.process?.tail(30) ?? ''
  }

  /** The entries' files up to a position. */
  data(end: number): Buffer {
    const folder = join(this.store, `dledger-${this.id}`, 'data')
    const names = readdirSync(folder).sort()
    const all = Buffer.concat(names.map((name) => readFileSync(join(folder, name))))
    return all.subarray(0, end - Number(names[0]))
  }

  /** End of what is dispatched, as RocketMQ tells it; −1 while it says nothing. */
  async end(): Promise<number> {
    const client = new TestClient(this.address)
    try {
      const { body } = await client.invoke(RUNTIME_INFO)
      const { table } = JSON.parse(Buffer.from(body ?? '{}').toString())
      return Number(table.dispatchBehindBytes) === 0 ? Number(table.commitLogMaxOffset) : -1
    } catch {
      return -1
    } finally {
      await client.close()
    }
  }
}

class Group {
  readonly peers: Record<string, string>
  readonly namesrv: string
  readonly members: Member[] = []
  readonly client: DLedgerClient

  private constructor(peers: Record<string, string>, namesrv: string) {
    this.peers = peers
    this.namesrv = namesrv
    this.client = new DLedgerClient(peers, GROUP)
  }

  static async of(kinds: Kind[]): Promise<Group> {
    const names = await startNames(scratch)
    const group = new Group(await peersOf(kinds.length), names.address)
    for (const [i, kind] of kinds.entries()) {
      group.members.push(new Member(group, `n${i}`, kind, await freeBrokerPort()))
    }
    onTestFinished(async ({ task }) => {
      if (task.result?.state === 'fail') for (const it of group.members) console.error(`${it.id}:\n${it.log()}`)
      await Promise.all(group.members.map((it) => it.kill()))
      await group.client.close()
      await names.process.kill()
    })
    return group
  }

  async start(config: Config = {}): Promise<void> {
    await Promise.all(this.members.map((it) => it.start(config)))
  }

  member(id: string): Member {
    return this.members.find((it) => it.id === id)!
  }

  /** Takes messages: it is the one that NameServers name as the master. */
  async master(): Promise<Member> {
    let master: Member | undefined
    const isThere = async () => {
      const leader = this.member(await this.client.findLeader())
      const isNamed = await isRouted(this.namesrv, 'TBW102', leader.address)
      if (!isNamed && leader.kind === 'apache') await registerAgain(leader.address)
      const route = isNamed ? await masterOf(this.namesrv) : undefined
      master = route === leader.address ? leader : undefined
      return master !== undefined
    }
    await until(isThere, LONG_MS, undefined, 50)
    return master!
  }

  async giveLeadership(to: Member): Promise<void> {
    const given = async () => {
      const from = await this.client.findLeader()
      if (from === to.id) return true
      const term = (await this.client.metadata(from)).term ?? -1
      const known = term >= 0 ? term : await this.termOf(from)
      const answer = await this.client.transfer(from, to.id, known).catch(() => undefined)
      return answer?.code === CODES.SUCCESS
    }
    await until(given, LONG_MS, undefined, 100)
    const isMaster = async () => (await this.master()) === to
    await until(isMaster, LONG_MS, undefined, 50)
  }

  /** Of a member of the JVM, which tells its term to no client: the first entry of the log's end has it. */
  private async termOf(id: string): Promise<number> {
    const text = readFileSync(join(this.member(id).store, `dledger-${id}`, 'currterm'), 'utf8')
    return Number(/currTerm=(\d+)/.exec(text)?.[1] ?? -1)
  }

  /** Everybody has the same, and shows it. */
  async standStill(): Promise<void> {
    const isStill = async () => {
      const ends = await Promise.all(this.members.map((it) => it.end()))
      return ends[0]! > 0 && ends.every((it) => it === ends[0])
    }
    await until(isStill, LONG_MS, undefined, 100)
  }

  /** All were killed: the same bytes up to `end`. */
  expectSameLogs(end: number): void {
    const [first, ...others] = this.members.map((it) => it.data(end))
    expect(first!.length).toBeGreaterThan(0)
    for (const other of others) expect(Buffer.compare(first!, other)).toBe(0)
  }
}

async function masterOf(namesrv: string): Promise<string | undefined> {
  const client = new TestClient(namesrv)
  try {
    const { body } = await client.invoke(105, { topic: 'TBW102' })
    const text = Buffer.from(body ?? '').toString()
    return /"brokerAddrs":\{[^}]*\b"?0"?:"([^"]+)"/.exec(text)?.[1]
  } finally {
    await client.close()
  }
}

function lost(clients: ReturnType<typeof steadyClients>): string[] {
  return differences(hashes(clients.acknowledged()), hashes(clients.received())).filter(
    (line) => !line.endsWith('was never sent'),
  )
}

describe.skipIf(KIND !== 'basalt' || !apacheIsThere(ORACLE))('groups of brokers', () => {
  test.each<{ name: string; kinds: Kind[] }>([
    { name: 'one of ours, two of Apache’s', kinds: ['basalt', 'apache', 'apache'] },
    { name: 'two of ours, one of Apache’s', kinds: ['basalt', 'basalt', 'apache'] },
  ])('$name', { timeout: 300_000 }, async ({ name, kinds }) => {
    const group = await Group.of(kinds)
    const began = performance.now()
    const told = (what: string) => console.log(`${name}: ${what} at ${Math.round(performance.now() - began)} ms`)
    await group.start()
    const first = await group.master()
    told(`first master ${first.id}`)
    await createTopic(first.address, TOPIC, 4)
    await until(() => isRouted(group.namesrv, TOPIC, first.address), LONG_MS, undefined, 50)
    const options = { namesrv: group.namesrv, topic: TOPIC, group: TOPIC, pause: 2, heartbeat: 1000, poll: 500 }
    const clients = steadyClients(scratch, ORACLE, options)
    onTestFinished(() => clients.program.kill())
    await clients.more(50, undefined, LONG_MS)
    for (const member of group.members) {
      await group.giveLeadership(member)
      await clients.more(50, undefined, LONG_MS)
      await member.kill()
      told(`${member.id} (${member.kind}) killed as master, ${clients.acknowledged().length} acknowledged`)
      const killedAt = performance.now()
      await clients.more(20, undefined, LONG_MS)
      told(`20 more acknowledged ${Math.round(performance.now() - killedAt)} ms later`)
      await member.start()
    }
    await clients.more(50, undefined, LONG_MS)
    await clients.stop()
    expect(lost(clients)).toEqual([])
    await group.standStill()
    const end = await group.members[0]!.end()
    await Promise.all(group.members.map((it) => it.kill()))
    group.expectSameLogs(end)
    // Each goes on from the files of the other kind.
    for (const member of group.members) member.kind = member.kind === 'basalt' ? 'apache' : 'basalt'
    await group.start()
    const next = await group.master()
    told(`stores changed hands, ${next.id} (${next.kind}) is master`)
    const { records, bad } = await readAll(scratch, ORACLE, { namesrv: group.namesrv, topics: TOPIC })
    expect(bad).toEqual([])
    expect(holes(records)).toEqual([])
    expect(
      differences(hashes(clients.acknowledged()), hashes(records)).filter((it) => !it.endsWith('never sent')),
    ).toEqual([])
  })

  test.each<{ kind: Kind }>([{ kind: 'apache' }, { kind: 'basalt' }])(
    'a classic store of $kind becomes a group of both',
    {
      timeout: 200_000,
    },
    async ({ kind }) => {
      const classic = await startSystem({ scratch, kind, config: { ...SMALL_FILES, brokerName: GROUP } })
      const all = { namesrv: classic.namesrv, topic: TOPIC, count: 1500, max: 4000, seed: 11, threads: 4 }
      const old = await producer(scratch, ORACLE, all).done()
      expect(await classic.stop()).toBe(true)
      const group = await Group.of(['basalt', 'apache', 'basalt'])
      for (const { store } of group.members) cpSync(classic.store, store, { recursive: true })
      await classic.close()
      await group.start()
      const master = await group.master()
      await until(() => isRouted(group.namesrv, TOPIC, master.address), LONG_MS, undefined, 50)
      const more = { ...all, namesrv: group.namesrv, count: 300, seed: 12 }
      const fresh = await producer(scratch, ORACLE, more).done()
      await group.standStill()
      const sent = hashes([...old.acknowledged, ...fresh.acknowledged])
      for (const member of group.members) {
        await group.giveLeadership(member)
        // Ids of the old messages name the classic broker's address.
        const { records, bad } = await readAll(scratch, ORACLE, { namesrv: group.namesrv, topics: TOPIC, lookup: 0 })
        expect(bad).toEqual([])
        expect(holes(records)).toEqual([])
        expect(differences(sent, hashes(records)).filter((it) => !it.endsWith('never sent'))).toEqual([])
      }
      await group.standStill()
      const end = await group.members[0]!.end()
      await Promise.all(group.members.map((it) => it.kill()))
      group.expectSameLogs(end)
    },
  )
})
