/**
 * How a command reaches the servers: which NameServers, with whose account, through TLS or not. From options, or the environment
 * where an option is missing. A secret comes from a file, standard input or the environment, never from an argument: everybody on the
 * machine can read those.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Account } from '../../admin/index.ts'
import { ConfigError, describeFile } from '../../errors.ts'
import type { ClientTlsSettings } from '../../remoting/tls/client-tls.ts'
import type { Io } from '../io.ts'
import { type Given, type OptionSpec, usage } from './spec.ts'

export const CONNECTION: readonly OptionSpec[] = [
  {
    flags: '-n, --namesrv <addresses>',
    about: 'NameServers, host:port with ; between (or NAMESRV_ADDR; 127.0.0.1:9876)',
  },
  { flags: '--account <file>', about: 'accessKey and secretKey, as in tools.yml; -: standard input' },
  { flags: '--timeout <ms>', about: 'how long an answer may take (5000)' },
  { flags: '--tls', about: 'through TLS; the servers are checked' },
  { flags: '--tls-ca <file>', about: 'whom to trust, PEM; then chains are checked, and not names' },
  { flags: '--tls-cert <file>', about: 'a certificate of ours, PEM, where servers ask for one' },
  { flags: '--tls-key <file>', about: 'its key, PEM' },
  { flags: '--tls-insecure', about: 'through TLS, and nobody is checked' },
]

const NAMESRV_PORT = 9876

/** "a:9876;b:9876", commas too; a name alone has the usual port. */
export function namesrvList(flag: string | undefined, env: string | undefined): string[] {
  const text = flag ?? (env === undefined || env.trim() === '' ? `127.0.0.1:${NAMESRV_PORT}` : env)
  const list = text.split(/[;,\s]+/).filter((word) => word !== '')
  if (list.length === 0) throw usage('-n names no NameServer', 'give host:port, several with ; between')
  return list.map((word) => {
    const address = /:\d+$/.test(word) ? word : `${word}:${NAMESRV_PORT}`
    const port = Number(address.slice(address.lastIndexOf(':') + 1))
    if (/^[^/@]+$/.test(word) && !word.startsWith(':') && port > 0 && port < 65_536) return address
    throw usage(`"${word}" is no address of a NameServer`, 'give host:port, several with ; between')
  })
}

/** Undefined: requests are not signed. `note` hears of doubts. */
export async function accountOf(given: Given, io: Io, note: (text: string) => void): Promise<Account | undefined> {
  const { env, cwd } = io
  const file = given.text('account') ?? textIn(env.BASALTMQ_ACCOUNT)
  if (file === '-') return accountIn(await inputText(io), 'standard input')
  if (file !== undefined) {
    const path = resolve(cwd, file)
    return accountIn(secretFile(path, note), path)
  }
  const accessKey = textIn(env.BASALTMQ_ACCESS_KEY)
  const secretKey = textIn(env.BASALTMQ_SECRET_KEY)
  if (accessKey !== undefined && secretKey !== undefined) return { accessKey, secretKey }
  if (accessKey !== undefined || secretKey !== undefined) {
    const [there, missing] = accessKey === undefined ? ['SECRET', 'ACCESS'] : ['ACCESS', 'SECRET']
    throw usage(`the environment has BASALTMQ_${there}_KEY and no BASALTMQ_${missing}_KEY`, 'set both, or neither')
  }
  // Where mqadmin looks.
  const home = textIn(env.ROCKETMQ_HOME)
  const tools = home === undefined ? undefined : join(home, 'conf', 'tools.yml')
  return tools === undefined || !existsSync(tools) ? undefined : accountIn(secretFile(tools), tools)
}

const textIn = (value: string | undefined) => (value === undefined || value.trim() === '' ? undefined : value)

export async function inputText(io: Io): Promise<string> {
  return Buffer.from((await io.input?.()) ?? []).toString('utf8')
}

const OTHERS_MAY = 0o077

/** The text of a file that holds a secret. */
export function secretFile(path: string, note?: (text: string) => void): string {
  try {
    const text = readFileSync(path, 'utf8')
    if (process.platform !== 'win32' && (statSync(path).mode & OTHERS_MAY) !== 0) {
      note?.(`warning: others on this machine may read ${path}, which holds a secret: chmod 600 it`)
    }
    return text
  } catch (error) {
    throw new ConfigError('ACCOUNT_FILE', { what: `the file cannot be read: ${describeFile(error)}`, where: path })
  }
}

/** accessKey and secretKey, one a line with : or =, quoted or not, as in RocketMQ's tools.yml. */
function accountIn(text: string, where: string): Account {
  const value = (key: string) => {
    const line = new RegExp(`^\\s*${key}\\s*[:=][ \\t]*(.*?)\\s*$`, 'm').exec(text)?.[1]
    const quoted = line === undefined ? null : /^(["'])(.*?)\1(?:\s+#.*)?$/.exec(line)
    const plain = quoted === null ? line?.replace(/(^|\s+)#.*$/, '') : quoted[2]
    return plain === '' ? undefined : plain
  }
  const accessKey = value('accessKey')
  const secretKey = value('secretKey')
  if (accessKey !== undefined && secretKey !== undefined) return { accessKey, secretKey }
  throw new ConfigError('ACCOUNT_FILE', {
    what: `the account has no ${accessKey === undefined ? 'accessKey' : 'secretKey'}`,
    where,
    todo: 'write "accessKey: NAME" and "secretKey: SECRET", a line each',
  })
}

/** Undefined: without TLS. */
export function tlsOf(given: Given, io: Io, note: (text: string) => void): ClientTlsSettings | undefined {
  const { env, cwd } = io
  const path = (option: string, variable: string) => {
    const file = given.text(option) ?? textIn(env[variable])
    return file === undefined ? '' : resolve(cwd, file)
  }
  const isSet = (option: string, variable: string) => given.is(option) || /^(true|1|yes|on)$/i.test(env[variable] ?? '')
  const trustCertPath = path('tlsCa', 'BASALTMQ_TLS_CA')
  const certPath = path('tlsCert', 'BASALTMQ_TLS_CERT')
  const keyPath = path('tlsKey', 'BASALTMQ_TLS_KEY')
  const isInsecure = isSet('tlsInsecure', 'BASALTMQ_TLS_INSECURE')
  const isAsked = isSet('tls', 'BASALTMQ_TLS') || isInsecure
  if (!isAsked && trustCertPath === '' && certPath === '' && keyPath === '') return undefined
  if ((certPath === '') !== (keyPath === '')) throw usage('--tls-cert and --tls-key go together')
  if (isInsecure) {
    note(
      'warning: TLS WITHOUT CHECKING WHO ANSWERS (--tls-insecure): whoever is between here and the servers may read and change everything',
    )
  }
  return {
    ...{ isTest: false, keyPath, certPath, trustCertPath, keyPassword: env.BASALTMQ_TLS_KEY_PASSWORD ?? '' },
    verifiesServers: !isInsecure,
    // Servers are known by addresses, which a cluster's own authority need not write into certificates.
    checksNames: trustCertPath === '',
  }
}
