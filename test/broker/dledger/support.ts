/**
 * Whole brokers that are members of one DLedger group, with a NameServer of their own: in this process, or as processes that can be
 * killed.
 *
 *   const group = await brokerGroup(3)                     // elects within a second (dLedgerFastElection)
 *   const leader = await group.leader()                    // that takes messages, and is the master in the routes
 *   await leader.client.send('T', 'x')
 *   await leader.kill()                                    // processes: SIGKILL; in this process: a stop without a hand-over is none
 *   const next = await group.leader({ not: leader })
 *   await leader.start()                                   // on its store, at its address
 *
 * All is gone when the test has finished.
 */
import { expect, onTestFinished } from 'vitest'
import { freeBrokerPort } from '../../../src/bench/ports.ts'
import { type BrokerHandle, startBroker } from '../../../src/broker/broker.ts'
import type { BrokerConfig } from '../../../src/config/index.ts'
import { type FaultName, FaultSwitches } from '../../../src/faults.ts'
import { type NamesrvHandle, startNamesrv } from '../../../src/namesrv/index.ts'
import { parse } from '../../../src/remoting/fastjson.ts'
import { SMALL, startTestBroker } from '../../../src/testing/index.ts'
import { DLedgerClient, eventually, peersOf, peersText } from '../../dledger/support.ts'
import { type BrokerProcess, startBrokerProcess } from '../../faults/support/broker-process.ts'
import { capturedLog, scratchFolder } from '../../store/scratch.ts'
import { TestClient } from '../../support/client.ts'

export const GROUP = 'broker-group'
const LONG_MS = 30_000
const CODES = { runtime: 28, cluster: 106 }

export interface GroupOptions {
  /** Brokers as processes, started from dist. */
  processes?: boolean
  config?: Partial<BrokerConfig>
  /** What each member's store holds before its first start. */
  prepare?(folder: string): void
}

export class GroupMember {
  readonly id: string
  readonly folder = scratchFolder()
  /** "host:port" for clients; the same after each start. */
  readonly address: string
  client: TestClient
  log = capturedLog()
  readonly faults = new FaultSwitches()
  private readonly config: Partial<BrokerConfig>
  private readonly isProcess: boolean
  private process: BrokerProcess | undefined
  private readonly logs: string[] = []
  private inside: BrokerHandle | undefined

  constructor(id: string, port: number, config: Partial<BrokerConfig>, isProcess: boolean) {
    this.id = id
    this.address = `127.0.0.1:${port}`
    this.client = new TestClient(this.address)
    this.isProcess = isProcess
    this.config = {
      ...SMALL,
      nameServerInside: 'never',
      listenPort: port,
      brokerName: GROUP,
      dLegerSelfId: id,
      ...config,
    }
  }

  get isRunning(): boolean {
    return this.process !== undefined || this.inside !== undefined
  }

  /** In this process only. */
  get handle(): BrokerHandle {
    if (this.inside === undefined) throw new Error(`${this.id} does not run in this process`)
    return this.inside
  }

  async start(config: Partial<BrokerConfig> = {}): Promise<void> {
    const all = { ...this.config, ...config }
    if (this.isProcess) {
      this.process = await startBrokerProcess({ folder: this.folder, config: all, faults: true })
      return
    }
    this.log = capturedLog()
    this.inside = await startBroker({
      config: { ...all, storePathRootDir: this.folder },
      log: this.log,
      faults: this.faults,
    })
  }

  /** The runtime table; undefined while it does not answer. */
  async runtime(): Promise<Record<string, string> | undefined> {
    if (!this.isRunning) return undefined
    const answer = await this.client.invoke(CODES.runtime, {}, undefined, 2000).catch(() => undefined)
    return answer?.body && (JSON.parse(Buffer.from(answer.body).toString()) as { table: Record<string, string> }).table
  }

  async leads(): Promise<boolean> {
    return (await this.runtime())?.basalt_dledger_role === 'LEADER'
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    const { process } = this
    if (process === undefined) throw new Error(`${this.id} is no process`)
    this.process = undefined
    await process.kill()
    this.logs.push(process.log)
  }

  /** A fault switch of the process. */
  async set(name: FaultName, value: number): Promise<void> {
    await this.process?.set(name, value)
  }

  /** The process ends by itself; its exit status. */
  async ended(): Promise<number | null> {
    const { process } = this
    if (process === undefined) throw new Error(`${this.id} is no process`)
    const { status } = await process.exit
    this.process = undefined
    this.logs.push(process.log)
    return status
  }

  /** What its processes have logged. */
  said = (): string => [...this.logs, this.process?.log ?? ''].join('\n')

  /** SIGSTOP and SIGCONT: the others take it for dead, and it does not know. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    if (this.process !== undefined) globalThis.process.kill(this.process.pid, name)
  }

  /** A clean stop: a leader hands over. */
  async stop(): Promise<void> {
    const { process, inside } = this
    this.process = undefined
    this.inside = undefined
    await process?.stop()
    await inside?.close()
  }

  async close(): Promise<void> {
    this.signal('SIGCONT')
    if (this.process !== undefined) await this.kill()
    await this.stop()
    await this.client.close()
  }
}

export class BrokerGroup {
  readonly members: GroupMember[]
  readonly namesrv: NamesrvHandle
  readonly dledger: DLedgerClient
  private readonly names: TestClient

  constructor(members: GroupMember[], namesrv: NamesrvHandle, peers: Record<string, string>) {
    this.members = members
    this.namesrv = namesrv
    this.dledger = new DLedgerClient(peers, GROUP)
    this.names = new TestClient(namesrv.address)
  }

  /** That takes messages, and is the master that the NameServer tells of. */
  async leader({ not }: { not?: GroupMember } = {}): Promise<GroupMember> {
    let found: GroupMember | undefined
    await eventually(async () => {
      const master = (await this.routes())['0']
      found = this.members.find((it) => it.address === master && it !== not)
      return found !== undefined && (await found.leads())
    }, 'a leader is the master in the routes')
    return found!
  }

  async followers(): Promise<GroupMember[]> {
    const leader = await this.leader()
    return this.members.filter((it) => it !== leader)
  }

  /** brokerId → address, as the NameServer has it. */
  async routes(): Promise<Record<string, string>> {
    const { body } = await this.names.invoke(CODES.cluster)
    const { brokerAddrTable } = parse(body!) as unknown as {
      brokerAddrTable: Record<string, { brokerAddrs: Record<string, string> }>
    }
    return brokerAddrTable[GROUP]?.brokerAddrs ?? {}
  }

  /** Leadership goes to `to`, which takes messages then: handed over again where somebody else was elected meanwhile. */
  async transfer(to: GroupMember): Promise<void> {
    await eventually(
      async () => {
        const from = await this.leader()
        if (from === to) return true
        const term = Number((await from.runtime())?.basalt_dledger_term)
        await this.dledger.transfer(from.id, to.id, term).catch(() => undefined)
        return false
      },
      `${to.id} leads`,
      LONG_MS,
    )
  }

  /**
   * Does it at the leader until it has worked there: on a machine that is busy a leader is not heard for longer than the others wait,
   * and another one is elected. `doubts`: how often it may have worked without being seen to.
   */
  async atLeader<T>(work: (leader: GroupMember) => Promise<T>, hasWorked: (result: T) => boolean) {
    for (let doubts = 0; ; doubts += 1) {
      const leader = await this.leader()
      const result = await work(leader).catch(() => undefined)
      if (result !== undefined && hasWorked(result)) return { result, leader, doubts }
    }
  }

  /** Sends at whoever leads, until it is acknowledged: it may be in the log more than once then. */
  async send(topic: string, body: string, options: Parameters<TestClient['send']>[2] = {}): Promise<GroupMember> {
    const until = performance.now() + LONG_MS
    for (;;) {
      for (const member of this.members) {
        if (!member.isRunning) continue
        const answer = await member.client.send(topic, body, options, 3000).catch(() => undefined)
        if (answer?.code === 0) return member
      }
      if (performance.now() > until) throw new Error(`"${body}" was not acknowledged in ${LONG_MS} ms`)
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map((it) => it.close()))
    await this.dledger.close()
    await this.names.close()
    await this.namesrv.close()
  }
}

/** The store of a broker of before DLedger, which holds these messages in queue 0. */
export async function classicStore(
  config: Partial<BrokerConfig>,
  topic: string,
  bodies: readonly string[],
): Promise<string> {
  const folder = scratchFolder()
  const broker = await startTestBroker({ folder, config: { ...config, brokerName: GROUP } })
  const client = new TestClient(broker.address)
  for (const body of bodies) expect((await client.send(topic, body, { queueId: 0 })).code).toBe(0)
  await client.close()
  await broker.close()
  return folder
}

/** Members n0 … on free ports, started, without waiting for a leader. */
export async function brokerGroup(count: number, options: GroupOptions = {}): Promise<BrokerGroup> {
  const { processes = false, config, prepare } = options
  const namesrv = await startNamesrv({ port: 0, host: '127.0.0.1' })
  const peers = await peersOf(count)
  const common: Partial<BrokerConfig> = {
    ...{ enableDLegerCommitLog: true, dLegerGroup: GROUP, dLegerPeers: peersText(peers), dLedgerFastElection: true },
    ...{ namesrvAddr: namesrv.address, ...config },
  }
  const members: GroupMember[] = []
  const taken = Object.values(peers).map((address) => Number(address.split(':')[1]))
  for (const id of Object.keys(peers)) {
    let port = await freeBrokerPort()
    // A broker takes three ports, from two below to one above.
    while (taken.some((other) => Math.abs(other - port) <= 3)) port = await freeBrokerPort()
    taken.push(port)
    members.push(new GroupMember(id, port, common, processes))
  }
  const group = new BrokerGroup(members, namesrv, peers)
  onTestFinished(() => group.close())
  for (const { folder } of members) prepare?.(folder)
  await Promise.all(members.map((it) => it.start()))
  return group
}
