/**
 * A link between two machines, made of a proxy: what goes in comes out `oneWayMs` later, and a failure of the machine at one end
 * takes away what is under way.
 *
 *   const link = await SlowLink.to('127.0.0.1:10912', 1)
 *   link.address                // whoever connects here is connected there
 *   link.cut()                  // under way: gone; both ends lose their connections; new ones pass
 *   await link.close()
 *
 * Owns:      its sockets. Blocks on: nothing; a reader who is slow is waited for.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** As much as is under way at once in one direction; then the sender has to wait. */
const UNDER_WAY_MAX = 8 * 1024 * 1024

export class SlowLink {
  private readonly server: Server
  private readonly target: { host: string; port: number }
  private readonly oneWayMs: number
  private readonly sockets = new Set<Socket>()

  private constructor(target: string, oneWayMs: number) {
    const [host, port] = target.split(':')
    this.target = { host, port: Number(port) }
    this.oneWayMs = oneWayMs
    this.server = createServer({ noDelay: true }, (socket) => this.join(socket))
  }

  static async to(target: string, oneWayMs: number): Promise<SlowLink> {
    const link = new SlowLink(target, oneWayMs)
    await new Promise<void>((resolve) => link.server.listen(0, '127.0.0.1', resolve))
    return link
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  cut(): void {
    for (const socket of this.sockets) socket.destroy()
    this.sockets.clear()
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise<void>((resolve) => this.server.close(() => resolve()))
  }

  private join(near: Socket): void {
    const far = connect({ ...this.target, noDelay: true })
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      this.sockets.add(from)
      from.on('error', () => {})
      from.on('close', () => this.sockets.delete(from))
      this.pass(from, to)
    }
  }

  /** What comes from one end goes to the other, later, in its order. */
  private pass(from: Socket, to: Socket): void {
    let underWay = 0
    from.on('data', (chunk: Buffer) => {
      underWay += chunk.length
      if (underWay > UNDER_WAY_MAX) from.pause()
      setTimeout(() => {
        if (!from.destroyed || !to.destroyed) to.write(chunk)
        underWay -= chunk.length
        if (underWay <= UNDER_WAY_MAX && to.writableLength <= UNDER_WAY_MAX) from.resume()
      }, this.oneWayMs)
    })
    to.on('drain', () => from.resume())
    from.on('close', () => setTimeout(() => to.destroy(), this.oneWayMs))
  }
}
