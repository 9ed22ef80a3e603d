/** Members of a group as engines with their acks: all threads, files and connections, no clients' sockets. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Acks, type StoreStatus } from '../../../src/broker/acks.ts'
import { Engine } from '../../../src/broker/engine.ts'
import { encodeRecord, recordBytes } from '../../../src/broker/send/record-encoder.ts'
import { ControlBlock, NETWORK } from '../../../src/concurrency/control-block.ts'
import { type BrokerConfig, resolveConfig } from '../../../src/config/index.ts'
import { FaultSwitches } from '../../../src/faults.ts'
import { StageClock } from '../../../src/metrics/stage-clock.ts'
import type { FromStage } from '../../../src/stages/messages.ts'
import { SUBMIT, SUBMIT_FLAGS, SUBMIT_KIND } from '../../../src/stages/ring-records.ts'
import { wakeAppend } from '../../../src/stages/wake-others.ts'
import { SMALL } from '../../../src/testing/index.ts'
import { DLedgerClient, eventually, peersOf, peersText } from '../../dledger/support.ts'
import { capturedLog, scratchFolder } from '../../store/scratch.ts'

export const TOPIC = 'T'
const LOCAL = { address: Uint8Array.of(127, 0, 0, 1), port: 10_911 }
export type Said = FromStage & { kind: 'dledgerRole' }

export interface Outcome {
  status: StoreStatus
  queueOffset: number
  physicalOffset: number
}

export class EngineNode {
  readonly id: string
  readonly folder: string
  readonly faults = new FaultSwitches()
  readonly log = capturedLog()
  readonly config: BrokerConfig
  said: Said | undefined
  failure: string | undefined
  private running: { engine: Engine; acks: Acks; timer: NodeJS.Timeout } | undefined
  private readonly waiting = new Map<number, (outcome: Outcome) => void>()
  private nextOpaque = 1

  constructor(id: string, peers: string, changes: Partial<BrokerConfig>) {
    this.id = id
    this.folder = scratchFolder()
    const overrides: Partial<BrokerConfig> = {
      ...SMALL,
      ...{ storePathRootDir: this.folder, brokerName: 'g1', listenPort: 10_911, namesrvAddr: '127.0.0.1:1' },
      ...{ enableDLegerCommitLog: true, dLegerPeers: peers, dLegerSelfId: id, dLedgerFastElection: true },
      ...{ mappedFileSizeCommitLog: 256 * 1024, maxMessageSize: 64 * 1024, slaveTimeout: 20_000, ...changes },
    }
    this.config = resolveConfig({ role: 'broker', overrides, env: {} }).config
  }

  get engine(): Engine {
    return this.running!.engine
  }

  get isReady(): boolean {
    return this.said?.isReady === true
  }

  async start(): Promise<void> {
    const { config, faults, log } = this
    let pump = () => {}
    this.failure = undefined
    const engine = await Engine.start({
      ...{ settings: config, faults, log },
      onWake: () => pump(),
      onFailure: ({ message }) => {
        this.failure = message
      },
      onMessage: (_, message) => {
        if (message.kind === 'dledgerRole') this.said = message
      },
    })
    const acks = new Acks({
      ring: engine.acks,
      control: engine.control,
      clock: engine.control,
      stageClock: new StageClock(engine.stageClock, 0),
      answer: (_, { opaque, status, queueOffset, physicalOffset }) => {
        this.waiting.get(opaque)!({ status, queueOffset, physicalOffset })
        this.waiting.delete(opaque)
      },
      limits: config,
      epochsEnd: true,
    })
    pump = () => {
      Atomics.store(engine.control.words, ControlBlock.index('network'), NETWORK.append)
      acks.pump()
      for (let at = engine.arrivals.next(); at >= 0; at = engine.arrivals.next());
      engine.arrivals.release()
    }
    this.running = { engine, acks, timer: setInterval(pump, 1) }
  }

  /** Claims one message of a queue, as the network thread does. */
  claim(body: string, queueId = 0, epoch = this.engine.control.epoch): Promise<Outcome> {
    const { submit, queueIds } = this.engine
    const queue = queueIds.ensure(TOPIC, queueId)
    const bytes = Buffer.from(body)
    const topic = Buffer.from(TOPIC)
    const properties = Buffer.from(`KEYS\u0001${body.slice(0, 20)}`)
    const head = {
      ...{ queueId, flag: 0, sysFlag: 0, bornTimestamp: Date.now(), reconsumeTimes: 0, preparedTransactionOffset: 0 },
      ...{ bornHost: LOCAL, storeHost: LOCAL },
    }
    const size = recordBytes(head, bytes.length, topic.length, properties.length)
    const at = submit.claim(SUBMIT.records + size)
    const { view } = submit
    view.setInt32(at + SUBMIT.kind, SUBMIT_KIND.records, true)
    view.setInt32(at + SUBMIT.epoch, epoch, true)
    view.setInt32(at + SUBMIT.queue, queue, true)
    view.setInt32(at + SUBMIT.count, 1, true)
    view.setInt32(at + SUBMIT.flags, SUBMIT_FLAGS.counts, true)
    view.setInt32(at + SUBMIT.sample, -1, true)
    const part = { bytes, start: 0, end: bytes.length }
    const text = { bytes: properties, start: 0, end: properties.length }
    encodeRecord(submit.bytes, view, at + SUBMIT.records, size, head, part, topic, text)
    const opaque = this.nextOpaque++
    const connection = { closed: false } as never
    const answer = new Promise<Outcome>((resolve) => this.waiting.set(opaque, resolve))
    this.running!.acks.expect({
      ...{ connection, opaque, serialize: 0, queueId, waits: true, isOneway: false, sizes: undefined, sample: -1 },
    })
    return answer
  }

  send(body: string, queueId = 0): Promise<Outcome> {
    const answer = this.claim(body, queueId)
    this.commit()
    return answer
  }

  commit(): void {
    this.running!.acks.turnEnded()
    this.engine.submit.commit()
    wakeAppend(this.engine.control)
  }

  /** From now on it looks when it is woken, and not each millisecond beside. */
  stopPolling(): void {
    clearInterval(this.running?.timer)
  }

  async stop(): Promise<void> {
    const { running } = this
    this.running = undefined
    this.said = undefined
    if (running === undefined) return
    this.faults.set('holdAppend', 0)
    if (this.failure === undefined) await running.engine.stop()
    else await running.engine.abandon()
    clearInterval(running.timer)
  }

  /** All data files, one behind the other. */
  data(): Buffer {
    const folder = this.config.storePathCommitLog
    const names = readdirSync(folder).sort()
    return Buffer.concat(names.map((name) => readFileSync(join(folder, name))))
  }

  queueBytes(queueId = 0): Buffer {
    const folder = join(this.folder, 'consumequeue', TOPIC, String(queueId))
    return Buffer.concat(
      readdirSync(folder)
        .sort()
        .map((name) => readFileSync(join(folder, name))),
    )
  }
}

export class EngineGroup {
  readonly nodes: EngineNode[] = []
  readonly client: DLedgerClient

  private constructor(peers: Record<string, string>, changes: Partial<BrokerConfig>) {
    this.client = new DLedgerClient(peers, 'g1')
    for (const id of Object.keys(peers)) this.nodes.push(new EngineNode(id, peersText(peers), changes))
  }

  static async of(count: number, changes: Partial<BrokerConfig> = {}): Promise<EngineGroup> {
    const group = new EngineGroup(await peersOf(count), changes)
    await Promise.all(group.nodes.map((it) => it.start()))
    return group
  }

  async leader(): Promise<EngineNode> {
    let found: EngineNode | undefined
    await eventually(() => {
      found = this.nodes.find((it) => it.isReady)
      return found !== undefined
    }, 'somebody leads')
    return found!
  }

  /** Hands leadership to another member, which takes messages then. */
  async transfer(from: EngineNode, to: EngineNode): Promise<void> {
    await eventually(async () => {
      const term = from.said?.term ?? 0
      const answer = await this.client.transfer(from.id, to.id, term).catch(() => undefined)
      return answer?.code === 200
    }, `${to.id} is handed the leadership`)
    await eventually(() => to.isReady, `${to.id} takes messages`)
  }

  /** Everybody has and shows the same. */
  async settled(): Promise<void> {
    await eventually(() => {
      const ends = this.nodes.map(({ engine: { control } }) => [control.load('appended'), control.load('dispatched')])
      return ends.flat().every((it) => it === ends[0]![0])
    }, 'all logs end at the same place, and all of it is dispatched')
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((it) => it.stop()))
    await this.client.close()
  }
}
