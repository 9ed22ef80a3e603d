/** Starts that fail, and stops at awkward moments: nothing half alive, nothing locked, and the log tells the reason once. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startBroker } from '../../src/broker/broker.ts'
import { FaultSwitches, THREADS } from '../../src/faults.ts'
import type { Log } from '../../src/log.ts'
import { SMALL, startTestBroker } from '../../src/testing/index.ts'
import { TestClient } from '../support/client.ts'
import { RawPeer, SEND_V2 } from '../support/raw-peer.ts'

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'basalt-start-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function collector(): { log: Log; lines: string[] } {
  const lines: string[] = []
  const say = (message: string) => void lines.push(message)
  return { log: { info: () => {}, warn: say, error: say }, lines }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((fulfil) => server.once('listening', fulfil))
  const { port } = server.address() as { port: number }
  await new Promise((fulfil) => server.close(fulfil))
  return port
}

test('a port in use: the start says so, the store stays clean and free, no thread is blamed', async () => {
  const storePathRootDir = scratch()
  const server = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await new Promise((fulfil) => server.once('listening', fulfil))
  const listenPort = (server.address() as { port: number }).port
  // Else listenPort + 1, which somebody else may have.
  const haListenPort = await freePort()
  const { log, lines } = collector()
  const start = startBroker({ config: { ...SMALL, storePathRootDir, listenPort, haListenPort }, log })
  await expect(start).rejects.toThrow(String(listenPort))
  expect(lines.filter((line) => line.includes('thread'))).toEqual([])
  expect(existsSync(join(storePathRootDir, 'abort'))).toBe(false)
  const broker = await startTestBroker({ folder: storePathRootDir })
  expect(broker.handle.engine.recovered.isUnclean).toBe(false)
  await broker.close()
})

test.each(['append', 'flush', 'dispatch', 'housekeeping'] as const)(
  'a %s thread that dies during the start ends the start with its name, and the next one is well',
  async (stage) => {
    const storePathRootDir = scratch()
    const first = await startTestBroker({ folder: storePathRootDir })
    const client = new TestClient(first.address)
    for (let i = 0; i < 20; i += 1) await client.send('Kept', `m${i}`)
    await client.close()
    await first.close()
    // All queues have to be built again: dispatch dies while the start waits for it.
    rmSync(join(storePathRootDir, 'consumequeue'), { recursive: true })
    const faults = new FaultSwitches()
    faults.set('killThread', THREADS[stage])
    const { log, lines } = collector()
    const start = startBroker({ config: { ...SMALL, storePathRootDir }, log, faults })
    // Dead a moment later it is an end that `closed` tells.
    const ended = start.then((broker) => broker.closed)
    await expect(ended).rejects.toThrow(`${stage} thread`)
    expect(lines.filter((line) => line.includes('the broker ends'))).toHaveLength(1)
    const again = await startTestBroker({ folder: storePathRootDir })
    const reader = new TestClient(again.address)
    expect(await reader.drain('Kept', 0)).toHaveLength(20)
    await reader.close()
    await again.close()
  },
)

test('a stop while sends are under way answers them or breaks their connections, and keeps what it answered', async () => {
  const folder = scratch()
  const broker = await startTestBroker({ folder, config: { flushDiskType: 'SYNC_FLUSH' } })
  const peer = await RawPeer.connect(broker.address)
  expect((await peer.invoke(310, SEND_V2, Buffer.from('first'))).code).toBe(0)
  const asked = Array.from({ length: 300 }, (_, i) => peer.ask(310, SEND_V2, Buffer.from(`m${i}`)))
  await new Promise((fulfil) => setTimeout(fulfil, 5))
  await broker.close()
  await peer.until(() => peer.isClosed, 'the end of the connection')
  const codes = asked.map((opaque) => peer.answers.get(opaque)?.code)
  for (const code of codes) expect([0, 14, undefined]).toContain(code)
  const again = await startTestBroker({ folder })
  const reader = new TestClient(again.address)
  const stored = new Set((await reader.drain('T', 0)).map((message) => message.body.toString()))
  for (const [i, code] of codes.entries()) if (code === 0) expect(stored).toContain(`m${i}`)
  await reader.close()
  await again.close()
})

test('two closes are one', async () => {
  const broker = await startTestBroker()
  await Promise.all([broker.handle.close(), broker.handle.close()])
  await broker.close()
})

test('a NameServer that takes connections and never answers holds up neither start nor stop for long', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  onTestFinished(() => void silent.close())
  await new Promise((fulfil) => silent.once('listening', fulfil))
  const namesrvAddr = `127.0.0.1:${(silent.address() as { port: number }).port}`
  const broker = await startTestBroker({ config: { namesrvAddr, nameServerInside: 'never' } })
  const client = new TestClient(broker.address)
  expect((await client.send('T', 'x')).code).toBe(0)
  await client.close()
  const began = performance.now()
  await broker.close()
  // Ctrl-C ends a broker within 2 s.
  expect(performance.now() - began).toBeLessThan(2000)
})
