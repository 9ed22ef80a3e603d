import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { readWith } from '../../src/remoting/read-buffer.ts'

test('an accepted socket reads into the shared buffer on every Node that is supported', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as { port: number }).port, '127.0.0.1')
  const [socket] = (await once(server, 'connection')) as [Socket]
  let text = ''
  const buffers = new Set<Buffer>()
  const isShared = readWith(socket, (bytes, length) => {
    buffers.add(bytes)
    text += bytes.toString('latin1', 0, length)
  })
  expect(isShared).toBe(true)
  for (let i = 0; i < 20; i++) {
    client.write(`${i},`)
    await new Promise((resolve) => setImmediate(resolve))
    if (i === 5) socket.pause()
    if (i === 10) socket.resume()
  }
  client.end()
  await once(socket, 'end')
  expect(text).toBe(Array.from({ length: 20 }, (_, i) => `${i},`).join(''))
  expect(buffers.size).toBe(1)
  client.destroy()
  socket.destroy()
  server.close()
})
