/** A raw socket to a NameServer: writes whole frames (or anything), collects whole answers. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type RemotingCommand, request } from '../../src/remoting/command.ts'
import { decodeCommand, encodeCommand } from '../../src/remoting/frame.ts'

export class Peer {
  closed = false
  private readonly socket: Socket
  private received = Buffer.alloc(0)
  private readonly answers = new Map<number, (answer: RemotingCommand) => void>()
  private nextOpaque = 1

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (bytes) => this.collect(bytes))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.closed = true
    })
  }

  static async to(port: number): Promise<Peer> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return new Peer(socket)
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  /** Writes the frame as it is; resolves with the answer to that opaque. */
  exchange(frame: Uint8Array, opaque: number): Promise<RemotingCommand> {
    return new Promise((resolve) => {
      this.answers.set(opaque, resolve)
      this.write(frame)
    })
  }

  ask(
    code: number,
    ext?: Record<string, string>,
    body?: Uint8Array | string,
    version?: number,
  ): Promise<RemotingCommand> {
    const command = request(code, ext, typeof body === 'string' ? Buffer.from(body) : body)
    command.opaque = this.nextOpaque++
    if (version !== undefined) command.version = version
    return this.exchange(encodeCommand(command), command.opaque)
  }

  async end(): Promise<void> {
    if (this.closed) return
    const gone = once(this.socket, 'close')
    this.socket.destroy()
    await gone
  }

  /** Resolves when the other side has closed. */
  async whenClosed(): Promise<void> {
    if (!this.closed) await once(this.socket, 'close')
  }

  private collect(bytes: Buffer): void {
    this.received = Buffer.concat([this.received, bytes])
    while (this.received.length >= 4 && this.received.length >= 4 + this.received.readInt32BE(0)) {
      const end = 4 + this.received.readInt32BE(0)
      const answer = decodeCommand(Buffer.from(this.received.subarray(0, end)))
      this.received = this.received.subarray(end)
      this.answers.get(answer.opaque)?.(answer)
      this.answers.delete(answer.opaque)
    }
  }
}

export function textOf(answer: RemotingCommand): string {
  return Buffer.from(answer.body ?? []).toString()
}

export function jsonOf(answer: RemotingCommand): unknown {
  return JSON.parse(textOf(answer))
}
