/** The instances of this thread by client id: shared by clients of the same id, closed with the last of them. */
import { describe } from '../errors.ts'
import type { Log } from '../log.ts'
import { ClientTls } from '../remoting/tls/index.ts'
import { ClientError } from './errors.ts'
import { ClientInstance } from './instance.ts'
import type { ClientTlsOptions, ResolvedClientOptions } from './options.ts'

interface Shared {
  readonly instance: ClientInstance
  /** What connections depend on: clients that share them agree in it. */
  readonly settings: string
  users: number
}

const instances = new Map<string, Shared>()

/** The instance of the options' client id. Whoever obtains one releases it. Throws ClientError BAD_OPTION. */
export function obtainInstance(options: ResolvedClientOptions): ClientInstance {
  const { clientId } = options
  const settings = JSON.stringify([options.nameservers, options.acl, options.tls, options.headers, options.vipChannel])
  const known = instances.get(clientId)
  if (known !== undefined) {
    if (known.settings !== settings) {
      throw new ClientError('BAD_OPTION', {
        what: `client id ${clientId} is used already, with other NameServers, account, tls, headers or vipChannel`,
        hint: 'give another instanceName, or leave it out',
      })
    }
    known.users++
    return known.instance
  }
  const tls = tlsOf(options.tls, options.log)
  const instance: ClientInstance = new ClientInstance(options, tls, () => {
    if (instances.get(clientId)?.instance === instance) instances.delete(clientId)
  })
  instances.set(clientId, { instance, settings, users: 1 })
  return instance
}

/** Closes the instance when nobody else uses it. */
export async function releaseInstance(instance: ClientInstance): Promise<void> {
  const shared = instances.get(instance.clientId)
  if (shared?.instance !== instance) return
  shared.users--
  if (shared.users === 0) await instance.close()
}

export function tlsOf(given: boolean | ClientTlsOptions, log: Log): ClientTls | undefined {
  if (given === false) return undefined
  const files: ClientTlsOptions = given === true ? {} : given
  try {
    return new ClientTls(
      {
        isTest: given === true,
        keyPath: files.keyPath ?? '',
        keyPassword: files.keyPassword ?? '',
        certPath: files.certPath ?? '',
        trustCertPath: files.trustCertPath ?? '',
        verifiesServers: files.trustCertPath !== undefined,
      },
      log,
    )
  } catch (cause) {
    throw new ClientError('BAD_OPTION', {
      what: `option tls: ${describe(cause)}`,
      hint: 'give PEM files that belong together',
      cause,
    })
  }
}
