/**
 * The port for slaves while there are none: nobody but an ASYNC_MASTER's first slave needs the HA thread, which takes 11 MB and
 * 65 ms of a core to start. Who knocks is sent away and comes back (RocketMQ's slave at once, ours within a second), and finds
 * the thread there.
 */
import { createServer, type Server } from 'node:net'
import { haPortError } from '../../ha/port-error.ts'

export class HaDoor {
  readonly port: number
  private readonly server: Server

  private constructor(server: Server, port: number) {
    this.server = server
    this.port = port
  }

  /** Rejects with StoreError HA_PORT. `onKnock` is called once; the port is free then. */
  static open(host: string, port: number, onKnock: () => void): Promise<HaDoor> {
    return new Promise((resolve, reject) => {
      const server = createServer((socket) => {
        socket.on('error', () => {})
        socket.destroy()
        if (server.listening) server.close(onKnock)
      })
      server.once('error', (error) => reject(haPortError(host, port, error)))
      server.listen(port, host, () => {
        const address = server.address()
        server.on('error', () => {})
        resolve(new HaDoor(server, typeof address === 'object' && address !== null ? address.port : port))
      })
      // It does not keep a process alive by itself.
      server.unref()
    })
  }

  close(): void {
    this.server.removeAllListeners('connection')
    if (this.server.listening) this.server.close()
  }
}
