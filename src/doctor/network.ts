/** The address that clients would be told, the ports, and the NameServers. */
import { createServer } from 'node:net'
import {
  announcedAddress,
  innerAddress,
  ipOf,
  isInContainer,
  tryAddress,
} from '../broker/registration/announced-address.ts'
import { type BrokerConfig, clientTlsOf, runsNameServer } from '../config/index.ts'
import { type ConfigError, describe, RemotingError } from '../errors.ts'
import { silentLog } from '../log.ts'
import { RemotingClient } from '../remoting/client.ts'
import { request } from '../remoting/command.ts'
import { REQUEST } from '../remoting/request-codes.ts'
import { ClientTls } from '../remoting/tls/client-tls.ts'
import { type Finding, of } from './finding.ts'

export async function checkAddress(config: BrokerConfig): Promise<Finding> {
  const found = of('address')
  const announced = announcedAddress(config.brokerIP1)
  const { host, origin } = announced
  const what = `clients are told ${host}:${config.listenPort} (${origin})`
  const ip = await ipOf(host).catch((error: unknown) => error as ConfigError)
  if (ip instanceof Error) return found('bad', ip.what, ip.todo)
  const why = await answersAt(config, host)
  if (why !== undefined)
    return found(
      'bad',
      `${what}, but nobody is reached there: ${why}`,
      'set brokerIP1 to an address of this machine that clients reach; look at bindAddress and firewalls',
    )
  const doubt = innerAddress(announced, isInContainer())
  if (doubt !== undefined) {
    const [why, ...todo] = doubt.replace(`${host} (${announced.origin}) `, '').split('; ')
    return found('warn', `${what}, but that ${why}`, todo.join('; '))
  }
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
      const { code } = error as NodeJS.ErrnoException
      const isTaken = code === 'EADDRINUSE'
      const todo = isTaken
        ? `stop whoever has it (a broker that runs already?), or set ${key}`
        : code === 'EACCES'
          ? `set ${key} to 1024 or above: ports below are for privileged users`
          : `set ${key}, or bindAddress`
      findings.push(found('bad', isTaken ? `${key} ${port} is taken` : `${key} ${port}: ${describe(error)}`, todo))
    } finally {
      server.close()
    }
  }
  if (findings.length > 0) return findings
  return [found('ok', `${ports.map(([key, port]) => `${key} ${port === 0 ? 'any' : port}`).join(', ')}: free`)]
}

const TODO_NAMESRV = 'start it, or correct namesrvAddr; without any, no client finds this broker'

export async function checkNamesrv(config: BrokerConfig): Promise<Finding[]> {
  const found = of('NameServer')
  if (config.namesrvAddr === '') {
    if (runsNameServer(config)) {
      return [found('note', `none is named: one runs inside the broker, on port ${config.nameServerInsidePort}`)]
    }
    return [
      found(
        'warn',
        'none is named, and none runs inside: no client finds this broker',
        'set namesrvAddr to host:port of each, or nameServerInside=always',
      ),
    ]
  }
  const addresses = config.namesrvAddr.split(';').filter((address) => address !== '')
  return Promise.all(addresses.map((address) => checkOne(config, address)))
}

const ANSWER_MS = 2000

/** Whether it is reached as the broker would, and answers as a NameServer does. */
async function checkOne(config: BrokerConfig, address: string): Promise<Finding> {
  const found = of('NameServer')
  const at = address.lastIndexOf(':')
  const why = await tryAddress(address.slice(0, at), Number(address.slice(at + 1)))
  if (why !== undefined) return found('warn', `${address} is not reached: ${why}`, TODO_NAMESRV)
  const settings = clientTlsOf(config)
  let tls: ClientTls | undefined
  let remoting: RemotingClient | undefined
  try {
    tls = settings && new ClientTls(settings, silentLog)
    remoting = new RemotingClient({ tls, connectTimeoutMs: ANSWER_MS })
    const { code } = await remoting.invoke(address, request(REQUEST.GET_BROKER_CLUSTER_INFO), ANSWER_MS)
    if (code === 0) return found('ok', `${address} answers`)
    return found('warn', `${address} is no NameServer: it answers ${code} to what each of them knows`, TODO_NAMESRV)
  } catch (error) {
    const what = error instanceof RemotingError ? error.what : describe(error)
    return found(
      'warn',
      `${address} is reached, but does not answer as a NameServer: ${what}`,
      `see what listens there, and whether it asks for TLS (tls.enable is ${config['tls.enable']})`,
    )
  } finally {
    await remoting?.close()
    tls?.close()
  }
}

/** Of a slave that is told its master. */
export async function checkMaster({ brokerRole, haMasterAddress }: BrokerConfig): Promise<Finding[]> {
  if (brokerRole !== 'SLAVE' || haMasterAddress === '') return []
  const found = of('master')
  const at = haMasterAddress.lastIndexOf(':')
  const why = await tryAddress(haMasterAddress.slice(0, at), Number(haMasterAddress.slice(at + 1)))
  return why === undefined
    ? [found('ok', `${haMasterAddress} is reached`)]
    : [
        found(
          'warn',
          `${haMasterAddress} is not reached: ${why}`,
          'start it, or correct haMasterAddress: nothing is copied until then',
        ),
      ]
}
