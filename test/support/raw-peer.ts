/**
 * One socket, frames as bytes: for tests that send what no client of ours would. Answers are kept by opaque; what the
 * broker asks by itself is kept in `told`.
 */
import { connect, type Socket } from 'node:net'
import { decodeCommand } from '../../src/remoting/frame.ts'
import { encodeCommand, type RemotingCommand, request } from '../../src/remoting/index.ts'

const FLAG_ANSWER = 1
const WAIT_MS = 10_000

/** Fields of a send of V2 (310) to topic T, as Java's client names them. */
export const SEND_V2 = {
  a: 'PG',
  b: 'T',
  c: 'TBW102',
  d: '4',
  e: '0',
  f: '0',
  g: '1',
  h: '0',
  i: '',
  j: '0',
  k: 'false',
  m: 'false',
}

export class RawPeer {
  readonly answers = new Map<number, RemotingCommand>()
  readonly told: RemotingCommand[] = []
  /** Larger than the count of `answers` when one request was answered twice. */
  answerCount = 0
  isClosed = false
  private readonly socket: Socket
  private received: Buffer = Buffer.alloc(0)
  private nextOpaque = 1
  private changed: () => void = () => {}

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk) => this.take(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isClosed = true
      this.changed()
    })
  }

  static async connect(address: string): Promise<RawPeer> {
    const [host, port] = address.split(':')
    const socket = connect({ host, port: Number(port), noDelay: true })
    const peer = new RawPeer(socket)
    await new Promise<void>((fulfil, reject) => {
      socket.once('connect', fulfil)
      socket.once('error', reject)
    })
    return peer
  }

  get port(): number {
    return this.socket.localPort ?? 0
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  /** Sends a request without waiting; returns its opaque. */
  ask(code: number, ext: Record<string, string>, body?: Uint8Array, flag = 0): number {
    const opaque = this.nextOpaque++
    this.write(encodeCommand({ ...request(code, ext, body), opaque, flag }))
    return opaque
  }

  async invoke(code: number, ext: Record<string, string>, body?: Uint8Array): Promise<RemotingCommand> {
    return this.answer(this.ask(code, ext, body))
  }

  /** The answer to that request; rejects when the connection closes or nothing comes. */
  async answer(opaque: number, waitMs = WAIT_MS): Promise<RemotingCommand> {
    await this.until(() => this.answers.has(opaque) || this.isClosed, `answer ${opaque}`, waitMs)
    const answer = this.answers.get(opaque)
    if (answer === undefined) throw new Error(`the connection was closed before answer ${opaque}`)
    return answer
  }

  async until(isDone: () => boolean, what: string, waitMs = WAIT_MS): Promise<void> {
    const end = performance.now() + waitMs
    while (!isDone()) {
      if (performance.now() > end) throw new Error(`${what} did not come within ${waitMs} ms`)
      await new Promise<void>((fulfil) => {
        const timer = setTimeout(fulfil, 50)
        this.changed = () => {
          clearTimeout(timer)
          fulfil()
        }
      })
    }
  }

  /** Everything that was asked so far is with the operating system. */
  sent(): Promise<void> {
    return new Promise((fulfil) => this.socket.write('', () => fulfil()))
  }

  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    this.socket.resume()
  }

  close(): void {
    this.socket.destroy()
  }

  private take(chunk: Buffer): void {
    this.received = this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk])
    while (this.received.length >= 4 && this.received.length >= 4 + this.received.readInt32BE(0)) {
      const end = 4 + this.received.readInt32BE(0)
      const command = decodeCommand(this.received, 0, end)
      this.received = this.received.subarray(end)
      if ((command.flag & FLAG_ANSWER) === 0) this.told.push(command)
      else {
        this.answerCount += 1
        this.answers.set(command.opaque, command)
      }
    }
    this.changed()
  }
}
