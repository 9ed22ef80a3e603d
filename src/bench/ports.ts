/** Free ports of this machine, for servers that are told where to listen. */
import { connect, createServer } from 'node:net'

/** Does 127.0.0.1:port accept a connection? */
export function accepts(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })
}

const PORT_MIN = 12_000
const PORT_COUNT = 18_000
/** Test runners that share the machine look in ranges of their own: what one has found, and not taken yet, no other finds. */
const WORKERS_MAX = 6

/**
 * A free port p of which p - 2 and p + 1 are free as well: a broker listens on all three (main, VIP, HA).
 * Taken below the range that the kernel gives to outgoing connections, so that none of those sits on it.
 */
export async function freeBrokerPort(): Promise<number> {
  const worker = Number(process.env.VITEST_POOL_ID ?? 0) % WORKERS_MAX
  for (let tries = 0; tries < 200; tries++) {
    const port = PORT_MIN + Math.floor(((worker + Math.random()) * PORT_COUNT) / WORKERS_MAX)
    if ((await isFree(port)) && (await isFree(port - 2)) && (await isFree(port + 1))) return port
  }
  throw new Error('no free port was found')
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer()
    server.once('error', () => done(false))
    server.listen(port, '127.0.0.1', () => server.close(() => done(true)))
  })
}
