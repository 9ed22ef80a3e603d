/** Which address clients are told, and where the addresses of NameServers come from. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import {
  AddressServer,
  announce,
  announcement,
  innerAddress,
  ipOf,
  isInContainer,
} from '../../../src/broker/registration/index.ts'
import type { Log } from '../../../src/log.ts'
import { startNamesrv } from '../../../src/namesrv/index.ts'
import { startTestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { ManualClock } from '../rig.ts'

function collected(): { log: Log; lines: string[] } {
  const lines: string[] = []
  const line = (message: string) => void lines.push(message)
  return { lines, log: { info: line, warn: line, error: line } }
}

/** A web server whose whole answer is `text`, or whose status is that number. */
async function webServer(): Promise<{ url: string; say: (answer: string | number) => void; asked: () => number }> {
  let answer: string | number = ''
  let count = 0
  const server: Server = createServer((_, response) => {
    count += 1
    if (typeof answer === 'number') response.writeHead(answer).end()
    else response.end(answer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/rocketmq/nsaddr`
  return {
    url,
    say: (text) => {
      answer = text
    },
    asked: () => count,
  }
}

test('an address server is asked every two minutes; what it cannot say changes nothing', async () => {
  const web = await webServer()
  const clock = new ManualClock()
  const { log, lines } = collected()
  const server = new AddressServer({ url: web.url, clock, log })
  const later = async (answer: string | number) => {
    web.say(answer)
    clock.ms += 120_000
    await server.step()
    return server.addresses()
  }
  web.say('10.0.0.1:9876; 10.0.0.2:9876\nsomething else\n')
  await server.step()
  expect(server.addresses()).toEqual(['10.0.0.1:9876', '10.0.0.2:9876'])
  clock.ms += 119_999
  await server.step()
  expect(web.asked()).toBe(1)
  for (const bad of [500, '', '<html>', `10.0.0.1:9876;${'x'.repeat(5000)}`]) {
    expect(await later(bad)).toEqual(['10.0.0.1:9876', '10.0.0.2:9876'])
  }
  expect(lines.filter((line) => line.includes('does not tell'))).toHaveLength(1)
  expect(lines.at(-1)).toMatch(/HTTP status 500; 10\.0\.0\.1:9876;10\.0\.0\.2:9876 stay, it is asked again/)
  expect(await later('10.0.0.3:9876')).toEqual(['10.0.0.3:9876'])
})

test('a broker without namesrvAddr registers where the address server says', async () => {
  const web = await webServer()
  const [one, two] = [
    await startNamesrv({ port: 0, host: '127.0.0.1' }),
    await startNamesrv({ port: 0, host: '127.0.0.1' }),
  ]
  onTestFinished(async () => {
    await one.close()
    await two.close()
  })
  web.say(one.address)
  await using broker = await startTestBroker({
    config: { nameServerInside: 'auto', fetchNamesrvAddrByAddressServer: true, namesrvAddressServer: web.url },
  })
  expect(broker.handle.addresses.namesrv).toBeUndefined()
  expect(one.tables.brokerAddrTable.size).toBe(1)
  web.say(`${one.address};${two.address}`)
  broker.advance('2m')
  await expect.poll(() => two.tables.brokerAddrTable.size, { timeout: 5000 }).toBe(1)
})

test('the announced address: how it was chosen, and a warning when nobody answers there', async () => {
  const eth0 = { host: '10.1.1.1', origin: 'interface eth0' }
  expect(announcement('10.1.1.1:10911', eth0)).toBe(
    'clients are told 10.1.1.1:10911 (interface eth0); brokerIP1 sets another',
  )
  expect(announcement('127.0.0.1:10911', { host: '127.0.0.1', origin: 'no interface but loopback' })).toMatch(
    /which only clients on this machine reach; brokerIP1/,
  )
  const { log, lines } = collected()
  // TEST-NET-1: nobody is there.
  await using broker = await startTestBroker({ config: { brokerIP1: '192.0.2.1' }, log })
  expect(lines).toContain(`clients are told ${broker.address} (brokerIP1)`)
  await expect
    .poll(() => lines.filter((line) => /^clients are told 192\.0\.2\.1:\d+, but nobody answers there/.test(line)), {
      timeout: 5000,
    })
    .toHaveLength(1)
})

test('an address that only containers reach is told as such, unless an operator has set it', () => {
  const docker = { host: '172.17.0.1', origin: 'interface docker0' }
  expect(innerAddress(docker, false)).toMatch(
    /^172\.17\.0\.1 \(interface docker0\) is the address of a bridge .*brokerIP1/,
  )
  expect(innerAddress({ host: '10.1.1.1', origin: 'interface eth0' }, false)).toBe(undefined)
  expect(innerAddress({ host: '172.18.0.2', origin: 'interface eth0' }, true)).toMatch(
    /this container's own address.*brokerIP1/,
  )
  expect(innerAddress({ host: '172.17.0.1', origin: 'brokerIP1' }, true)).toBe(undefined)
  const nothing = () => false
  expect(isInContainer({}, nothing)).toBe(false)
  expect(isInContainer({ KUBERNETES_SERVICE_HOST: '10.0.0.1' }, nothing)).toBe(true)
  expect(isInContainer({}, (path) => path === '/run/.containerenv')).toBe(true)
  const lines: string[] = []
  const say = (line: string) => void lines.push(line)
  const addresses = { broker: '172.17.0.1:10911', origin: docker.origin, fast: '', namesrv: undefined }
  announce({ info: say, warn: say, error: say }, addresses, docker)
  expect(lines[0]).toBe('clients are told 172.17.0.1:10911 (interface docker0); brokerIP1 sets another')
  expect(lines[1]).toMatch(/^clients are told 172\.17\.0\.1:10911, but 172\.17\.0\.1 \(interface docker0\) is /)
})

test('brokerIP1 may be a name: clients are told the name, ids hold its ip', async () => {
  const { log, lines } = collected()
  await using broker = await startTestBroker({ config: { brokerIP1: 'localhost' }, log })
  const port = broker.address.split(':')[1]
  expect(broker.address).toBe(`localhost:${port}`)
  const client = new TestClient(`127.0.0.1:${port}`)
  const sent = await client.send('T', 'm')
  expect(sent.ext?.msgId).toMatch(new RegExp(`^7F000001${Number(port).toString(16).toUpperCase().padStart(8, '0')}`))
  await client.close()
  expect(lines.filter((line) => line.includes('nobody answers'))).toEqual([])
  expect(await ipOf('10.0.0.1')).toBe('10.0.0.1')
  await expect(startTestBroker({ config: { brokerIP1: 'no-such-host.invalid' } })).rejects.toThrow(
    /brokerIP1 is "no-such-host\.invalid", which is no ip address and no known name/,
  )
})
