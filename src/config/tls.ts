/** What the tls.* keys come to: derived, checked, and in the form that src/remoting/tls takes. */
import { ConfigError } from '../errors.ts'
import type { ClientTlsSettings, ServerTlsSettings } from '../remoting/tls/index.ts'
import { TLS_KEYS } from './keys/index.ts'
import type { ValuesOf } from './keys/key.ts'

export type TlsConfig = ValuesOf<typeof TLS_KEYS>

/** How this looks at and changes the values of a broker or NameServer. */
export interface TlsContext {
  readonly config: TlsConfig & { useTLS?: boolean }
  isSet(key: keyof TlsConfig | 'useTLS'): boolean
  where(key: keyof TlsConfig): string
  derive<K extends keyof TlsConfig>(key: K, value: TlsConfig[K], from: string): void
  warn(key: keyof TlsConfig, message: string): void
}

export function deriveTls({ config, isSet, derive, where, warn }: TlsContext): void {
  if (isSet('useTLS')) derive('tls.enable', config.useTLS === true, 'useTLS')
  else if (!isSet('tls.enable')) derive('tls.enable', config['tls.server.mode'] === 'enforcing', 'tls.server.mode')
  const given = (['tls.server.certPath', 'tls.client.trustCertPath', 'tls.client.certPath'] as const).find(
    (key) => config[key] !== '',
  )
  // In RocketMQ the test mode stays on, and a certificate that is given is not used.
  if (given !== undefined && !isSet('tls.test.mode.enable')) derive('tls.test.mode.enable', false, given)
  if (given !== undefined && config['tls.test.mode.enable']) {
    warn('tls.test.mode.enable', `tls.test.mode.enable is true: ${given} is not used, and nobody is checked`)
  }
  const lacks = (['tls.server.keyPath', 'tls.server.certPath'] as const).find((key) => config[key] === '')
  if (config['tls.test.mode.enable'] || lacks === undefined || config['tls.server.mode'] === 'disabled') return
  if (config['tls.server.mode'] === 'enforcing') {
    throw new ConfigError('BAD_VALUE', {
      what: `tls.server.mode is enforcing, but ${lacks} is empty`,
      where: where('tls.server.mode'),
      todo: 'give key and certificate, or tls.test.mode.enable=true',
    })
  }
  if (isSet('tls.server.mode')) {
    warn('tls.server.mode', `tls.server.mode is permissive, but ${lacks} is empty: TLS is not served`)
  }
  derive('tls.server.mode', 'disabled', `the empty ${lacks}`)
}

export function serverTlsOf(config: TlsConfig): ServerTlsSettings {
  return {
    mode: config['tls.server.mode'],
    isTest: config['tls.test.mode.enable'],
    keyPath: config['tls.server.keyPath'],
    keyPassword: config['tls.server.keyPassword'],
    certPath: config['tls.server.certPath'],
    trustCertPath: config['tls.server.trustCertPath'],
    clientAuth: config['tls.server.need.client.auth'],
    verifiesClients: config['tls.server.authClient'],
  }
}

/** The same for a NameServer inside: nothing is read or derived a second time. */
export function tlsKeysOf(config: TlsConfig): TlsConfig {
  const names = Object.keys(TLS_KEYS) as (keyof TlsConfig)[]
  return { ...(Object.fromEntries(names.map((name) => [name, config[name]])) as TlsConfig), 'tls.config.file': '' }
}

/** Undefined: other servers are spoken to plainly. */
export function clientTlsOf(config: TlsConfig): ClientTlsSettings | undefined {
  if (!config['tls.enable']) return undefined
  return {
    isTest: config['tls.test.mode.enable'],
    keyPath: config['tls.client.keyPath'],
    keyPassword: config['tls.client.keyPassword'],
    certPath: config['tls.client.certPath'],
    trustCertPath: config['tls.client.trustCertPath'],
    verifiesServers: config['tls.client.authServer'],
  }
}
