/** Servers and raw peers for the tests of this folder; everything is closed by close(). */
import { connect, type Socket } from 'node:net'
import type { Clock } from '../../src/clock.ts'
import type { Log } from '../../src/log.ts'
import { answerTo, type RemotingCommand } from '../../src/remoting/command.ts'
import type { Connection, FrameHandler } from '../../src/remoting/connection.ts'
import { decodeCommand } from '../../src/remoting/frame.ts'
import { type RemotingLimits, RemotingServer } from '../../src/remoting/server.ts'

export class TestLog implements Log {
  readonly lines: { level: string; message: string; fields: Record<string, unknown> }[] = []
  info(message: string, fields = {}) {
    this.lines.push({ level: 'info', message, fields })
  }
  warn(message: string, fields = {}) {
    this.lines.push({ level: 'warn', message, fields })
  }
  error(message: string, fields = {}) {
    this.lines.push({ level: 'error', message, fields })
  }
}

export class TestClock implements Clock {
  time = 1_000_000
  now() {
    return this.time
  }
}

/** Answers every request with code 0, its ext and its body; keeps what happened. */
export class Echo implements FrameHandler {
  readonly open = new Set<Connection>()
  readonly reasons: string[] = []
  readonly requests: RemotingCommand[] = []
  later = 0
  opened(c: Connection) {
    this.open.add(c)
  }
  closed(c: Connection, reason: string) {
    this.open.delete(c)
    this.reasons.push(reason)
  }
  frame(c: Connection, bytes: Buffer, start: number, end: number): 'taken' | 'later' {
    if (this.later > 0) {
      this.later--
      return 'later'
    }
    const it = decodeCommand(bytes, start, end)
    this.requests.push(it)
    if ((it.flag & 2) === 0) c.send({ ...answerTo(it, 0), ext: it.ext, body: it.body })
    return 'taken'
  }
}

export interface Rig extends AsyncDisposable {
  server: RemotingServer
  port: number
  log: TestLog
  clock: TestClock
  peer(): Promise<Peer>
}

export async function rig(handler: FrameHandler, limits: Partial<RemotingLimits> = {}): Promise<Rig> {
  const log = new TestLog()
  const clock = new TestClock()
  const server = new RemotingServer({ host: '127.0.0.1', port: 0, handler, limits, log, clock })
  const port = await server.listen()
  const peers: Peer[] = []
  const peer = async () => {
    const one = await Peer.connect(port)
    peers.push(one)
    return one
  }
  const close = async () => {
    for (const one of peers) one.socket.destroy()
    await server.close()
  }
  return { server, port, log, clock, peer, [Symbol.asyncDispose]: close }
}

/** A socket that speaks bytes and reads frames. */
export class Peer {
  readonly socket: Socket
  readonly received: RemotingCommand[] = []
  closed = false
  private bytes = Buffer.alloc(0)
  private waiters: (() => void)[] = []

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.bytes = Buffer.concat([this.bytes, chunk])
      while (this.bytes.length >= 4 && this.bytes.length >= 4 + this.bytes.readInt32BE(0)) {
        const end = 4 + this.bytes.readInt32BE(0)
        this.received.push(decodeCommand(this.bytes, 0, end))
        this.bytes = this.bytes.subarray(end)
      }
      this.wake()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
      this.wake()
    })
  }

  static connect(port: number): Promise<Peer> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => resolve(new Peer(socket)))
    })
  }

  send(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => this.socket.write(bytes, () => resolve()))
  }

  /** Resolves when so many frames came in all. */
  frames(count: number): Promise<RemotingCommand[]> {
    return this.until(() => this.received.length >= count).then(() => this.received)
  }

  end(): Promise<void> {
    return this.until(() => this.closed)
  }

  private async until(done: () => boolean): Promise<void> {
    while (!done()) {
      if (this.closed) throw new Error('the connection was closed')
      await new Promise<void>((resolve) => this.waiters.push(resolve))
    }
  }

  private wake(): void {
    for (const waiter of this.waiters.splice(0)) waiter()
  }
}

/** Resolves when the condition holds; it is looked at every turn of the event loop. */
export async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1))
}
