/** The address that clients would be told, the ports, and the NameServers. */
import { createServer } from 'node:net'
import {
  announcedAddress,
  innerAddress,
  ipOf,
  isInContainer,
  tryAddress,
} from '../broker/registration/announced-address.ts'
import { type BrokerConfig, runsNameServer } from '../config/index.ts'
import { describe } from '../errors.ts'
import { type Finding, of } from './finding.ts'

export async function checkAddress(config: BrokerConfig): Promise<Finding> {
  const found = of('address')
  const announced = announcedAddress(config.brokerIP1)
  const { host, origin } = announced
  const what = `clients are told ${host}:${config.listenPort} (${origin})`
  const ip = await ipOf(host).catch((error: unknown) => error as Error)
  if (ip instanceof Error) return found('bad', ip.message, 'set brokerIP1 to an address that clients reach')
  const why = await answersAt(config, host)
  if (why !== undefined)
    return found(
      'bad',
      `${what}, but nobody is reached there: ${why}`,
      'set brokerIP1 to an address of this machine that clients reach; look at bindAddress and firewalls',
    )
  const doubt = innerAddress(announced, isInContainer())
  if (doubt !== undefined) return found('warn', `clients are told ${doubt}`)
  if (ip.startsWith('127.') || ip === '::1')
    return found('warn', `${what}: only clients on this machine reach it`, 'set brokerIP1, unless that is meant')
  return found('ok', `${what}, and it is reached from here`)
}

/** Whoever listens on the port, or we for a moment. */
async function answersAt(config: BrokerConfig, host: string): Promise<string | undefined> {
  const server = createServer((socket) => socket.destroy())
  const port = await listen(server, config.listenPort, config.bindAddress).catch(() => undefined)
  try {
    return await tryAddress(host, port ?? config.listenPort)
  } finally {
    server.close()
  }
}

function listen(server: ReturnType<typeof createServer>, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host === '' ? undefined : host, () => resolve((server.address() as { port: number }).port))
  })
}

export async function checkPorts(config: BrokerConfig): Promise<Finding[]> {
  const found = of('ports')
  const ports: [key: string, port: number][] = [
    ['listenPort', config.listenPort],
    ['fastListenPort', config.fastListenPort],
    ['haListenPort', config.haListenPort],
  ]
  if (runsNameServer(config)) ports.push(['nameServerInsidePort', config.nameServerInsidePort])
  const findings: Finding[] = []
  for (const [key, port] of ports) {
    const server = createServer()
    try {
      await listen(server, port, config.bindAddress)
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      const todo = isTaken
        ? `stop whoever has it (a broker that runs already?), or set ${key}`
        : `set ${key}, or bindAddress`
      findings.push(found('bad', isTaken ? `${key} ${port} is taken` : `${key} ${port}: ${describe(error)}`, todo))
    } finally {
      server.close()
    }
  }
  if (findings.length > 0) return findings
  return [found('ok', `${ports.map(([key, port]) => `${key} ${port === 0 ? 'any' : port}`).join(', ')}: free`)]
}

export async function checkNamesrv(config: BrokerConfig): Promise<Finding[]> {
  const found = of('NameServer')
  if (config.namesrvAddr === '') {
    return [
      found(
        'note',
        runsNameServer(config)
          ? `none is named: one runs inside the broker, on port ${config.nameServerInsidePort}`
          : 'none is named, and none runs inside: no client finds this broker',
      ),
    ]
  }
  return Promise.all(
    config.namesrvAddr
      .split(';')
      .filter((address) => address !== '')
      .map(async (address) => {
        const at = address.lastIndexOf(':')
        const why = await tryAddress(address.slice(0, at), Number(address.slice(at + 1)))
        return why === undefined
          ? found('ok', `${address} is reached`)
          : found(
              'warn',
              `${address} is not reached: ${why}`,
              'start it, or correct namesrvAddr; without any, no client finds this broker',
            )
      }),
  )
}
