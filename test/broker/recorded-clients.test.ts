/**
 * What Java clients sent to a real broker of 4.9.8, byte for byte, to a whole broker of ours: every answer must be the
 * recorded one wherever the traffic before determines it. Scenarios follow each other on one store, as they were
 * recorded, and the broker's clock runs as the recorded one.
 *
 * Not in this release, so not compared: delayed messages (their records take room in the recorded log: physical offsets
 * are compared with that room added, found at the next recorded id), messages that are sent back (36) and come again from %RETRY%.
 */
import { expect, onTestFinished, test, vi } from 'vitest'
import { decodeCommand } from '../../src/remoting/frame.ts'
import type { RemotingCommand } from '../../src/remoting/index.ts'
import { startTestBroker, type TestBroker } from '../../src/testing/index.ts'
import { framesOf, type RecordedFrame } from '../remoting/vectors.ts'
import { records } from '../support/client.ts'
import { RawPeer } from '../support/raw-peer.ts'

type Frame = RecordedFrame & { link: string; conn: number; dir: string; ms: number }
const PULLS = new Set([11])
const SENDS = new Set([10, 310, 320])
/** What a client of this release is answered instead. */
const NOT_YET = new Map([
  [36, 3],
  [310, 13],
  [10, 13],
])

class Replay {
  readonly broker: TestBroker
  /** Recorded physical offset minus ours. */
  shift = 0
  compared = 0
  held = 0
  private frames: Frame[] = []
  private readonly peers = new Map<number, RawPeer>()
  private readonly requests = new Map<string, RemotingCommand>()
  private readonly delayed: RemotingCommand[] = []
  /** The recorded log has grown by what we refused: the next recorded id says by how much. */
  private isShiftOpen = false
  private ms = 0

  constructor(broker: TestBroker) {
    this.broker = broker
  }

  async run(scenario: string): Promise<void> {
    const frames = (framesOf(scenario) as Frame[]).filter((it) => it.link === 'client-broker')
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
    this.requests.set(`${frame.conn}/${frame.opaque}`, decodeCommand(frame.bytes, 0, frame.bytes.length))
    if (SENDS.has(frame.code)) this.expectHeld(frame)
    if (PULLS.has(frame.code)) await this.dispatched()
    peer.write(frame.bytes)
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
      if (request === undefined || isRetryTraffic(request)) continue
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
    if (isRetryTraffic(request)) return
    const answer = await this.answer(peer, frame.opaque, label)
    if (request.code === 36 || (ext.i ?? ext.properties ?? '').includes('DELAY\u0001')) {
      expect(answer.code, label).toBe(NOT_YET.get(request.code))
      if (request.code !== 36) this.delayed.push(request)
      this.isShiftOpen = true
      return
    }
    this.compared += 1
    const place = physicalOffsetOf(recorded.ext?.msgId)
    if (this.isShiftOpen && place !== undefined) {
      this.shift = place - physicalOffsetOf(answer.ext?.msgId)!
      this.isShiftOpen = false
    }
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

  /** The recorded broker delivered its delayed messages by the end of their scenario: stand-ins take their places. */
  private async deliverDelayed(): Promise<void> {
    const peer = await RawPeer.connect(this.broker.address)
    for (const { code, ext = {}, body } of this.delayed.splice(0)) {
      const name = code === 10 ? 'properties' : 'i'
      const answer = await peer.invoke(code, { ...ext, [name]: ext[name].replace('DELAY\u00011\u0002', '') }, body)
      expect(answer.code).toBe(0)
    }
    peer.close()
    this.isShiftOpen = true
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
      properties: [...message.properties].sort(),
      physicalOffset: message.physicalOffset - shift,
      storeTimestamp: 0,
      bornHost: 0,
      storeHost: 0,
    }))
  }
}

function physicalOffsetOf(id: string | undefined): number | undefined {
  return id === undefined ? undefined : Number.parseInt(id.split(',')[0].slice(16), 16)
}

/** Sent back and delivered again by the delay levels of a later release. */
function isRetryTraffic({ code, ext }: RemotingCommand): boolean {
  return code === 11 && (ext?.topic ?? '').startsWith('%RETRY%')
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
