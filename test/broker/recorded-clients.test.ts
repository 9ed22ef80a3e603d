/**
 * What Java clients sent to a real broker of 4.9.8, byte for byte, to a whole broker of ours: every answer must be the
 * recorded one wherever the traffic before determines it. Scenarios follow each other on one store, as they were
 * recorded, and the broker's clock runs as the recorded one.
 * Delayed messages and what consumers sent back take their places in the log too, so that all physical offsets are the
 * recorded ones: but for the event (topic OFFSET_MOVED_EVENT) that 4.9 stores with each answer 21, which ours does not.
 */
import { expect, onTestFinished, test, vi } from 'vitest'
import { decodeCommand } from '../../src/remoting/frame.ts'
import { encodeCommand, type RemotingCommand } from '../../src/remoting/index.ts'
import { startTestBroker, type TestBroker } from '../../src/testing/index.ts'
import { framesOf, type RecordedFrame } from '../remoting/vectors.ts'
import { records } from '../support/client.ts'
import { RawPeer } from '../support/raw-peer.ts'

type Frame = RecordedFrame & { link: string; conn: number; dir: string; ms: number }
const PULLS = new Set([11])
const SENDS = new Set([10, 310, 320])
const SEND_BACK = 36
const HEARTBEAT = 34
/** Level 1. */
const DELAY_MS = 1000
class Replay {
  readonly broker: TestBroker
  /** Recorded physical offset minus ours: the events. */
  shift = 0
  /** A pull was answered 21: the next recorded id says how much the recorded log has grown by it. */
  private isShiftOpen = false
  compared = 0
  held = 0
  private frames: Frame[] = []
  private readonly peers = new Map<number, RawPeer>()
  private readonly requests = new Map<string, RemotingCommand>()
  private ms = 0

  constructor(broker: TestBroker) {
    this.broker = broker
  }

  async run(scenario: string): Promise<void> {
    const frames = heartbeatsFirst((framesOf(scenario) as Frame[]).filter((it) => it.link === 'client-broker'))
    this.frames = frames
    this.ms = frames[0].ms
    for (const frame of frames) {
      if (frame.ms > this.ms) this.broker.advance(frame.ms - this.ms)
      this.ms = Math.max(this.ms, frame.ms)
      if (frame.dir === 'c2s' && frame.kind !== 'response') await this.ask(frame)
      else if (frame.dir === 's2c' && frame.kind === 'response') await this.compare(frame)
    }
    await this.deliverDelayed()
    for (const peer of this.peers.values()) peer.close()
    this.peers.clear()
    this.requests.clear()
  }

  private async ask(frame: Frame): Promise<void> {
    const peer = this.peers.get(frame.conn) ?? (await RawPeer.connect(this.broker.address))
    this.peers.set(frame.conn, peer)
    const request = decodeCommand(frame.bytes, 0, frame.bytes.length)
    this.requests.set(`${frame.conn}/${frame.opaque}`, request)
    if (SENDS.has(frame.code)) this.expectHeld(frame)
    if (PULLS.has(frame.code)) await this.dispatched()
    if (frame.code !== SEND_BACK) {
      peer.write(frame.bytes)
      return
    }
    // It names a place in the recorded log.
    const offset = String(Number(request.ext?.offset) - this.shift)
    peer.write(encodeCommand({ ...request, ext: { ...request.ext, offset } }))
  }

  /** The recording client pulled long after it had sent; here what was answered may still be on its way to its queue. */
  private async dispatched(): Promise<void> {
    const { control } = this.broker.handle.engine
    await vi.waitUntil(() => control.load('dispatched') === control.load('appended'), 10_000)
  }

  /** A pull that found its message only after this send must be held still. */
  private expectHeld(frame: Frame): void {
    for (const later of this.frames) {
      if (later.n < frame.n || later.answers !== 11 || later.code !== 0) continue
      const request = this.requests.get(`${later.conn}/${later.opaque}`)
      if (request === undefined) continue
      expect(this.peers.get(later.conn)?.answers.has(later.opaque), `pull ${later.opaque} is held`).toBe(false)
      this.held += 1
    }
  }

  private async compare(frame: Frame): Promise<void> {
    const key = `${frame.conn}/${frame.opaque}`
    const request = this.requests.get(key)!
    const peer = this.peers.get(frame.conn)!
    const recorded = decodeCommand(frame.bytes, 0, frame.bytes.length)
    const ext = request.ext ?? {}
    const label = `${request.code} ${JSON.stringify(ext)}`
    const answer = await this.answer(peer, frame.opaque, label)
    this.compared += 1
    const place = physicalOffsetOf(recorded.ext?.msgId)
    if (this.isShiftOpen && place !== undefined) {
      this.shift = place - physicalOffsetOf(answer.ext?.msgId)!
      this.isShiftOpen = false
    }
    if (request.code === 11 && recorded.code === 21) this.isShiftOpen = true
    expect([answer.code, answer.flag, answer.version, answer.serialize], label).toEqual([
      recorded.code,
      recorded.flag,
      recorded.version,
      recorded.serialize,
    ])
    // Success has leftovers of Java for a remark, and a refused send names its peer and dumps a Java object.
    if (request.code === 11 || (recorded.code !== 0 && !SENDS.has(request.code))) {
      expect(answer.remark, label).toBe(recorded.remark)
    } else expect(answer.remark !== undefined, label).toBe(recorded.code !== 0)
    expect(this.comparableExt(answer.ext, 0), label).toEqual(this.comparableExt(recorded.ext, this.shift))
    expect(this.comparableBody(request, answer, 0), label).toEqual(this.comparableBody(request, recorded, this.shift))
  }

  /** The holds of the recorded broker were checked in another phase: the clock moves on until ours answers. */
  private async answer(peer: RawPeer, opaque: number, label: string): Promise<RemotingCommand> {
    for (let step = 0; step < 40; step += 1) {
      const answer = await peer.answer(opaque, step === 0 ? 1000 : 100).catch(() => undefined)
      if (answer !== undefined) return answer
      this.broker.advance(500)
      this.ms += 500
    }
    throw new Error(`no answer to ${label}`)
  }

  /** The recorded broker delivered its delayed messages by the end of their scenario. */
  private async deliverDelayed(): Promise<void> {
    await this.dispatched()
    this.broker.advance(DELAY_MS)
    const peer = await RawPeer.connect(this.broker.address)
    await vi.waitFor(async () => {
      const { table } = JSON.parse(Buffer.from((await peer.invoke(28, {})).body!).toString())
      const [offset, max] = (table.scheduleMessageOffset_1 ?? '0,0').split(',')
      expect(offset).toBe(max)
    })
    await this.dispatched()
    peer.close()
  }

  /** Ids name a host, a port and a place in the log: the place counts. */
  private comparableExt(ext: Record<string, string> | undefined, shift: number): Record<string, unknown> {
    const { msgId, ...rest } = ext ?? {}
    if (msgId === undefined) return rest
    return { ...rest, msgId: msgId.split(',').map((id) => [id.slice(0, 8), physicalOffsetOf(id)! - shift]) }
  }

  private comparableBody(request: RemotingCommand, { body }: RemotingCommand, shift: number): unknown {
    if (body === undefined || body.length === 0) return undefined
    if (request.code === 38) return JSON.parse(Buffer.from(body).toString()).consumerIdList.sort()
    if (request.code !== 11) return Buffer.from(body).toString()
    // The order of properties is that of a Java map.
    return records(body).map(({ propertiesText, ...message }) => ({
      ...message,
      propertiesLength: propertiesText.length,
      properties: [...message.properties].sort().map(([name, value]) => {
        return name === 'ORIGIN_MESSAGE_ID' ? [name, physicalOffsetOf(value)! - shift] : [name, value]
      }),
      physicalOffset: message.physicalOffset - shift,
      storeTimestamp: 0,
      bornHost: 0,
      storeHost: 0,
    }))
  }
}

/**
 * A client sends the heartbeat with a new subscription and the pull that needs it from two threads. Where the pull was on the
 * wire first, the pools of the recorded broker had the heartbeat first all the same.
 */
function heartbeatsFirst(frames: Frame[]): Frame[] {
  const ordered = [...frames]
  for (let i = 1; i < ordered.length; i += 1) {
    const [pull, heartbeat] = [ordered[i - 1], ordered[i]]
    const isRace = PULLS.has(pull.code) && heartbeat.code === HEARTBEAT && pull.conn === heartbeat.conn
    if (isRace && heartbeat.ms - pull.ms < 5) ordered.splice(i - 1, 2, heartbeat, pull)
  }
  return ordered
}

function physicalOffsetOf(id: string | undefined): number | undefined {
  return id === undefined ? undefined : Number.parseInt(id.split(',')[0].slice(16), 16)
}

test.each(['wire-json', 'wire-rocketmq'])(
  '%s: recorded producers and consumers get from a whole broker what 4.9.8 answered them',
  async (tree) => {
    const config = { brokerName: 'broker-a', brokerClusterName: 'LabCluster', defaultTopicQueueNums: 4 }
    const broker = await startTestBroker({ config })
    onTestFinished(() => broker.close())
    const replay = new Replay(broker)
    for (const scenario of ['send', 'send-v1', 'pull', 'push']) await replay.run(`${tree}/${scenario}`)
    expect(replay.compared).toBeGreaterThan(70)
    expect(replay.held).toBeGreaterThan(0)
  },
  120_000,
)
