/** What is empty, unknown, not RocketMQ's or silent: one line that says what, where and what to do, with the right status. */
import { createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { rig } from './rig.ts'

const it = rig()

async function refused(line: string, status: number, ...says: string[]): Promise<void> {
  const ran = await it.run(`${line} --timeout 300`)
  expect({ line, status: ran.status, out: ran.out }).toEqual({ line, status, out: '' })
  for (const text of says) expect(ran.error).toContain(text)
  expect(ran.error.trimEnd().split('\n'), ran.error).toHaveLength(1)
  expect(ran.error).not.toMatch(/^ {4}at /m)
  // The same for programs.
  const json = await it.run(`${line} --timeout 300 --json`)
  expect(json).toMatchObject({ status, out: '' })
  expect(JSON.parse(json.error).error).toMatchObject({ code: expect.any(String), what: expect.any(String) })
}

test.each([
  ['topic describe ""', 2, '<topic> is empty'],
  ['topic create ""', 2, '<topic> is empty'],
  ['topic create "two words"', 2, 'can be no name of a topic'],
  ['topic create 名前', 2, 'letters, digits'],
  [`topic create ${'x'.repeat(128)}`, 2, 'up to 127'],
  ['group create ../../x', 2, 'can be no name of a group'],
  ['topic list -n ""', 2, '--namesrv is empty'],
  ['topic list -n http://127.0.0.1:9876', 2, 'is no address of a NameServer'],
  ['topic list -n host:99999', 2, 'is no address of a NameServer'],
  ['topic units Nowhere -q 0', 1, 'topic Nowhere has no route'],
  ['message find Nowhere --key ""', 2, '--key is empty'],
  ['broker stats -t Nowhere', 1, 'no broker has topic Nowhere'],
  ['broker describe ""', 2, '<broker> is empty'],
  ['namesrv config get nosuchkey', 1, 'no NameServer has a key with "nosuchkey"'],
  ['namesrv config set orderMessageEnabl=true', 1, 'did you mean "orderMessageEnable"?'],
  ['namesrv kv delete A b --yes', 1, 'A has no entry b'],
  ['acl set someone', 2, 'nothing to set is given'],
  ['acl show', 1, 'the broker has no access rules'],
  ['acl delete someone --yes', 1, 'aclEnable=true switches them on'],
])('%s', (line, status, says) => refused(line, status, says))

test('groups and offsets that nobody knows are not made by a slip of the pen', async () => {
  await it.ok('topic create Orders -q 1')
  await it.ok('group create Known')
  await it.send('Orders', 0, 2)
  await refused('offset reset Knwon -t Orders --to latest --yes', 1, 'no broker knows group Knwon')
  await refused('offset clone Knwon Known -t Orders --yes', 1, 'group Knwon has no offsets of Orders')
  await it.ok('offset reset Known -t Orders --to latest --yes')
  await it.ok('offset clone Known Other -t Orders --yes')
  // Who consumes without being configured has offsets at least.
  await it.ok('offset reset Other -t Orders --to earliest --yes')
})

async function stranger(heard: (socket: Socket) => void): Promise<string> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', () => heard(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}

test('servers that are none, hang, or are another', async () => {
  const web = await stranger((socket) => socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'))
  const silent = await stranger(() => {})
  const rude = await stranger((socket) => socket.destroy())
  for (const command of ['topic list', 'cluster list', 'group describe G', 'top --once', 'drain broker-a --dry-run']) {
    await refused(`${command} -n ${web}`, 1, 'does not speak the protocol of RocketMQ', web, 'see what listens there')
    await refused(`${command} -n ${silent}`, 1, 'no answer to', silent)
    await refused(`${command} -n ${rude}`, 1, 'the connection is closed', '--tls')
    await refused(`${command} -n 127.0.0.1:1`, 1, 'nobody listens there', '-n host:port')
    await refused(`${command} -n ${it.broker.address}`, 1, 'no NameServer', it.broker.address)
  }
  await refused(`broker describe ${web}`, 1, 'does not speak the protocol of RocketMQ')
  await refused('broker describe 127.0.0.1:1', 1, 'nobody listens there', 'see that it runs')
  await refused(`topic list -n ${web} --tls-ca package.json`, 2, 'package.json')
  const insecure = await it.run(`topic list -n ${web} --tls-insecure`)
  expect(insecure.error.trimEnd().split('\n')).toHaveLength(2)
  expect(insecure.error).toMatch(/the TLS handshake fails: \S+.*leave --tls away/)
})

test('a message whose answer does not come may be stored: that is said', async () => {
  await it.ok('topic create Slow -q 1')
  it.broker.faults.set('holdAppend', 1)
  try {
    const ran = await it.run('message send Slow --body x --timeout 200')
    expect(ran.status).toBe(1)
    expect(ran.error).toMatch(/may be stored all the same: look for it \(message find --id [0-9A-F]{32}\)/)
  } finally {
    it.broker.faults.set('holdAppend', 0)
    it.broker.handle.engine.moveClock(0)
  }
})
