/**
 * A TCP proxy that passes on what it gets in the worst way: a byte at a time, in odd pieces with Nagle's algorithm on, or not at
 * all while the connection stays open.
 *
 *   await using cable = await BadCable.to(broker.address, 'bytes')
 *   new TestClient(cable.address)
 *   cable.delayMs = 500             // each way, from now on
 *   cable.freeze()                  // both ends stay open, nothing passes any more
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** bytes: one a segment. pieces: 1 to 40 bytes, Nagle on. whole: as they come. */
export type Manner = 'bytes' | 'pieces' | 'whole'

const PIECE_MAX = 40

export class BadCable implements AsyncDisposable {
  readonly sockets = new Set<Socket>()
  delayMs = 0
  private readonly server: Server
  private readonly target: { host: string; port: number }
  private readonly manner: Manner
  private isFrozen = false

  private constructor(target: string, manner: Manner) {
    const [host, port] = target.split(':')
    this.target = { host, port: Number(port) }
    this.manner = manner
    this.server = createServer({ noDelay: manner === 'bytes' }, (socket) => this.join(socket))
  }

  static async to(target: string, manner: Manner): Promise<BadCable> {
    const cable = new BadCable(target, manner)
    await new Promise<void>((resolve) => cable.server.listen(0, '127.0.0.1', resolve))
    return cable
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** Like a cable that is pulled: nobody is told, nothing passes. */
  freeze(): void {
    this.isFrozen = true
    for (const socket of this.sockets) socket.pause()
  }

  /** Half open: nothing passes on the connections of now, and nobody is told; new ones pass. */
  strand(): void {
    for (const socket of this.sockets) socket.removeAllListeners('data').pause()
  }

  /** The cable is in again: who was on it is told that his connection is gone, new ones pass. */
  thaw(): void {
    this.isFrozen = false
    for (const socket of this.sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise<void>((resolve) => this.server.close(() => resolve()))
  }

  private join(client: Socket): void {
    const upstream = connect({ ...this.target, noDelay: this.manner === 'bytes' })
    this.pipe(client, upstream)
    this.pipe(upstream, client)
  }

  private pipe(from: Socket, to: Socket): void {
    this.sockets.add(from)
    let passed = Promise.resolve()
    from.on('data', (chunk: Buffer) => {
      if (this.delayMs > 0) {
        // What is on its way takes no room of what follows.
        const due = new Promise((resolve) => setTimeout(resolve, this.delayMs))
        passed = passed.then(() => due).then(() => this.pass(chunk, to))
        return
      }
      from.pause()
      passed = passed.then(() => this.pass(chunk, to))
      void passed.then(() => {
        if (!this.isFrozen) from.resume()
      })
    })
    from.on('error', () => {})
    from.on('close', () => {
      this.sockets.delete(from)
      if (!this.isFrozen) void passed.then(() => to.destroy())
    })
  }

  private async pass(chunk: Buffer, to: Socket): Promise<void> {
    for (let at = 0; at < chunk.length && !to.destroyed; ) {
      const size = this.manner === 'bytes' ? 1 : this.manner === 'whole' ? chunk.length : 1 + (at % PIECE_MAX)
      await new Promise<void>((resolve) => to.write(chunk.subarray(at, at + size), () => resolve()))
      at += size
    }
  }
}
