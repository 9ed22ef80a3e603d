/**
 * A longer link: a TCP proxy that passes everything on, unchanged and in order, half a round trip later in each direction.
 *
 *   slave ──▶ [chunk, due] [chunk, due] … ──▶ master          and the same back
 *
 * It does not bound the throughput: chunks wait in a queue with the time they are due, however many are under way.
 *
 * Owns:      its sockets, a timer thread. Runs in a process of its own beside servers that are measured (link-process.ts).
 * Invariant: a direction ends after its last chunk was passed on, as late as that chunk.
 * Blocks on: nothing; a timer of Node's would be a millisecond late, so a thread sleeps exactly and wakes us.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'

/** Beyond it reading waits: it is more than a second of what replication sends. */
const QUEUED_BYTES_MAX = 1 << 29
/** Waking takes that long on an idle machine: the alarm is set so much earlier, and what is left is waited for on the spot. */
const WAKE_MS = 0.15

/**
 * Sleeps until a time and says so. words[0] counts orders, words[1] the order it has seen; the time is µs of the shared clock.
 * A new order ends the sleep.
 */
const ALARM = `
const { workerData: { words, origin }, parentPort } = require('node:worker_threads')
const order = new Int32Array(words, 0, 1)
const due = new Float64Array(words, 8, 1)
const now = () => performance.timeOrigin + performance.now() - origin
let seen = 0
for (;;) {
  while (Atomics.load(order, 0) === seen) Atomics.wait(order, 0, seen)
  seen = Atomics.load(order, 0)
  if (due[0] < 0) break
  const left = due[0] - now()
  if (left > 0 && Atomics.wait(order, 0, seen, left) !== 'timed-out') continue
  parentPort.postMessage(0)
}`

interface Chunk {
  readonly due: number
  /** Undefined: the end of the direction. */
  readonly bytes: Buffer | undefined
}

export class Link implements AsyncDisposable {
  private readonly server: Server
  private readonly target: { host: string; port: number }
  private readonly oneWayMs: number
  private readonly lines = new Set<Line>()
  private readonly alarm: Alarm

  private constructor(target: string, rttMs: number) {
    const colon = target.lastIndexOf(':')
    this.target = { host: target.slice(0, colon), port: Number(target.slice(colon + 1)) }
    this.oneWayMs = rttMs / 2
    this.alarm = new Alarm(() => this.look())
    this.server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.join(socket))
  }

  /** To "host:port"; that need not listen yet. */
  static async to(target: string, rttMs: number): Promise<Link> {
    const link = new Link(target, rttMs)
    await new Promise<void>((done, failed) => {
      link.server.once('error', failed)
      link.server.listen(0, '127.0.0.1', done)
    })
    return link
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** What is under way is gone, both ends lose their connections; new ones pass. */
  cut(): void {
    for (const line of this.lines) line.cut()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    this.alarm.close()
    await new Promise<void>((done) => this.server.close(() => done()))
  }

  private join(near: Socket): void {
    const far = connect({ ...this.target, noDelay: true, allowHalfOpen: true })
    for (const line of [new Line(near, far), new Line(far, near)]) {
      this.lines.add(line)
      line.from.on('data', (bytes: Buffer) => this.take(line, bytes))
      line.from.on('end', () => this.take(line, undefined))
      line.from.on('error', () => {})
      line.from.on('close', () => {
        // What broke off tells nobody that it ended.
        if (!line.hasEnded) line.cut()
      })
      line.to.on('drain', () => line.read())
      line.to.on('close', () => this.lines.delete(line))
    }
  }

  private take(line: Line, bytes: Buffer | undefined): void {
    line.put({ due: this.alarm.now() + this.oneWayMs, bytes })
    this.look()
  }

  /** Passes on what is due, and sets the alarm for what comes next. */
  private look(): void {
    const now = this.alarm.now()
    let next = Infinity
    for (const line of this.lines) next = Math.min(next, line.pass(now))
    this.alarm.set(next)
  }
}

/** One direction of one connection. */
class Line {
  readonly from: Socket
  readonly to: Socket
  hasEnded = false
  private readonly chunks: Chunk[] = []
  private queuedBytes = 0

  constructor(from: Socket, to: Socket) {
    this.from = from
    this.to = to
  }

  put(chunk: Chunk): void {
    this.chunks.push(chunk)
    if (chunk.bytes === undefined) this.hasEnded = true
    this.queuedBytes += chunk.bytes?.length ?? 0
    this.read()
  }

  /** When the first of what stays is due. */
  pass(now: number): number {
    let passed = 0
    this.to.cork()
    for (; passed < this.chunks.length && this.chunks[passed].due <= now; passed += 1) {
      const { bytes } = this.chunks[passed]
      if (bytes === undefined) this.to.end()
      else {
        this.queuedBytes -= bytes.length
        this.to.write(bytes)
      }
    }
    this.to.uncork()
    this.chunks.splice(0, passed)
    this.read()
    return this.chunks[0]?.due ?? Infinity
  }

  /** Reads on, or not while too much is queued here or by a peer that does not read. */
  read(): void {
    const isFull = this.queuedBytes + this.to.writableLength > QUEUED_BYTES_MAX
    if (isFull && !this.from.isPaused()) this.from.pause()
    else if (!isFull && this.from.isPaused()) this.from.resume()
  }

  /** Both ends hear that it broke off, and not that it ended. */
  cut(): void {
    for (const socket of [this.from, this.to]) if (!socket.destroyed) socket.resetAndDestroy()
  }
}

/** One alarm at a time; its clock is shared with the thread that sleeps. */
class Alarm {
  private readonly words = new SharedArrayBuffer(16)
  private readonly order = new Int32Array(this.words, 0, 1)
  private readonly due = new Float64Array(this.words, 8, 1)
  private readonly origin = performance.timeOrigin
  private readonly worker: Worker
  private setFor = Infinity

  constructor(onDue: () => void) {
    this.worker = new Worker(ALARM, { eval: true, workerData: { words: this.words, origin: this.origin } })
    this.worker.on('message', () => {
      const due = this.setFor
      this.setFor = Infinity
      // An alarm that was set meanwhile for something later has its own message.
      while (due - this.now() < WAKE_MS && this.now() < due);
      onDue()
    })
  }

  /** Milliseconds. */
  now(): number {
    return performance.timeOrigin + performance.now() - this.origin
  }

  set(due: number): void {
    if (due === Infinity || due === this.setFor) return
    this.setFor = due
    this.tell(due - WAKE_MS)
  }

  close(): void {
    this.tell(-1)
  }

  private tell(due: number): void {
    this.due[0] = due
    Atomics.add(this.order, 0, 1)
    Atomics.notify(this.order, 0)
  }
}
