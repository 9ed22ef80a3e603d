import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { RemotingClient } from '../../src/remoting/client.ts'
import { answerTo, request } from '../../src/remoting/command.ts'
import { hostBytes, parseAddress } from '../../src/remoting/host.ts'
import { Echo, eventually, rig } from './sockets.ts'

test('requests to one address share a connection and get their own answers', async () => {
  const echo = new Echo()
  await using it = await rig(echo)
  const client = new RemotingClient()
  const address = `127.0.0.1:${it.port}`
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) => client.invoke(address, request(105, { topic: `T${i}` }), 5000)),
  )
  expect(answers.map((one) => one.ext!.topic)).toEqual(Array.from({ length: 50 }, (_, i) => `T${i}`))
  expect(echo.open.size).toBe(1)
  await client.oneway(address, request(40))
  await eventually(() => echo.requests.length === 51)
  expect(echo.requests[50].flag).toBe(2)
  await client.close()
  await expect(client.invoke(address, request(105), 1000)).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
})

test('a connection that is gone is opened again by the next request', async () => {
  const echo = new Echo()
  await using it = await rig(echo)
  const gone: string[] = []
  const client = new RemotingClient({ onClosed: (address) => gone.push(address) })
  const address = `127.0.0.1:${it.port}`
  await client.invoke(address, request(105), 5000)
  for (const c of echo.open) c.close('the server says so')
  await eventually(() => gone.length === 1)
  await client.invoke(address, request(105), 5000)
  expect(gone).toEqual([address])
  await client.close()
})

test('nobody there is a retriable error with the address', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  const client = new RemotingClient()
  await expect(client.invoke(`127.0.0.1:${port}`, request(105), 2000)).rejects.toMatchObject({
    code: 'CONNECT_FAILED',
    where: `127.0.0.1:${port}`,
    retriable: true,
  })
  await expect(client.invoke('nonsense', request(105), 2000)).rejects.toMatchObject({ code: 'BAD_ADDRESS' })
  await client.close()
})

test('a peer that never answers times out, and its connection is not used again', async () => {
  const echo = new Echo()
  echo.frame = () => 'taken'
  await using it = await rig(echo)
  const client = new RemotingClient()
  const address = `127.0.0.1:${it.port}`
  await expect(client.invoke(address, request(105), 30)).rejects.toMatchObject({ code: 'TIMEOUT', retriable: true })
  await eventually(() => echo.open.size === 0)
  await client.close()
})

test('requests that the other side sends are answered by onRequest', async () => {
  const echo = new Echo()
  await using it = await rig(echo)
  const client = new RemotingClient({
    onRequest: async (asked) => ({ ...answerTo(asked, 0), remark: `to ${asked.code}` }),
  })
  await client.invoke(`127.0.0.1:${it.port}`, request(34), 5000)
  const [c] = echo.open
  expect((await c.invoke(request(307), 5000)).remark).toBe('to 307')
  c.oneway(request(40))
  expect((await c.invoke(request(221), 5000)).remark).toBe('to 221')
  expect(it.server.stats.unknownAnswers).toBe(0)
  await client.close()
})

test('addresses are read in all their forms', () => {
  expect(parseAddress('127.0.0.1:9876')).toEqual({ host: '127.0.0.1', port: 9876 })
  expect(parseAddress('[fe80::1]:9876')).toEqual({ host: 'fe80::1', port: 9876 })
  expect(parseAddress('mq.example.org:80')).toEqual({ host: 'mq.example.org', port: 80 })
  for (const bad of ['', 'host', ':80', 'host:', 'host:0', 'host:65536', 'host:x']) {
    expect(() => parseAddress(bad), bad).toThrow(expect.objectContaining({ code: 'BAD_ADDRESS' }))
  }
  expect([...hostBytes('::ffff:10.1.2.3')]).toEqual([10, 1, 2, 3])
  expect(Buffer.from(hostBytes('2001:db8::ff00:42:8329')).toString('hex')).toBe('20010db8000000000000ff0000428329')
  expect(Buffer.from(hostBytes('::1')).toString('hex')).toBe('00000000000000000000000000000001')
  expect(Buffer.from(hostBytes('fe80::1%eth0')).toString('hex')).toBe('fe800000000000000000000000000001')
})
