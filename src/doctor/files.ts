/** Files that the configuration names beside the store: keys and certificates, access rules. */
import { statSync } from 'node:fs'
import { DEFAULT_FILE, FOLDER, readTexts } from '../broker/acl/acl-folder.ts'
import { type BrokerConfig, clientTlsOf, serverTlsOf } from '../config/index.ts'
import { BasaltError, describe } from '../errors.ts'
import { silentLog } from '../log.ts'
import { ClientTls, ServerTls } from '../remoting/tls/index.ts'
import { type Finding, of } from './finding.ts'

export async function checkFilesOf(config: BrokerConfig): Promise<Finding[]> {
  return [checkTls(config), ...(config.aclEnable ? [await checkRules(config)] : [])]
}

function checkTls(config: BrokerConfig): Finding {
  const found = of('TLS')
  const settings = serverTlsOf(config)
  try {
    new ServerTls(settings, silentLog).close()
    const client = clientTlsOf(config)
    if (client !== undefined) new ClientTls(client, silentLog).close()
  } catch (error) {
    const { what, where, todo } = error instanceof BasaltError ? error : { what: describe(error) }
    return found('bad', `${what}${where === undefined ? '' : ` (${where})`}`, todo ?? 'correct the tls.… keys')
  }
  if (settings.mode === 'disabled') return found('note', 'the ports refuse TLS (tls.server.mode=disabled)')
  const may = settings.mode === 'enforcing' ? 'the ports serve TLS alone' : 'the ports serve TLS and plain connections'
  if (settings.isTest) {
    return found(
      settings.mode === 'enforcing' ? 'warn' : 'note',
      `${may}, with a certificate made at the start that proves nothing`,
      'set tls.server.keyPath and tls.server.certPath where clients check',
    )
  }
  return found('ok', `${may}, with the certificate of ${settings.certPath}`)
}

const OTHERS_MAY_READ = 0o044

async function checkRules({ aclConfigPath }: BrokerConfig): Promise<Finding> {
  const found = of('access rules')
  const paths = await readTexts(aclConfigPath).then(
    (texts) => [...texts.keys()],
    (error: unknown) => describe(error),
  )
  if (typeof paths === 'string') return found('bad', `the rules cannot be read: ${paths}`, 'let this user read them')
  if (paths.length === 0) {
    return found(
      'bad',
      `aclEnable is true, and ${aclConfigPath} has neither ${DEFAULT_FILE} nor files in ${FOLDER}/`,
      'write the rules, or set aclConfigPath to their folder',
    )
  }
  const open = paths.filter((path) => process.platform !== 'win32' && (statSync(path).mode & OTHERS_MAY_READ) !== 0)
  return open.length > 0
    ? found('warn', `others on this machine may read the secrets in ${open.join(', ')}`, `chmod 600 ${open.join(' ')}`)
    : found('ok', `${paths.join(', ')}, for this user alone`)
}
