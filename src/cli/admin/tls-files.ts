/** The files of --tls-ca, --tls-cert and --tls-key, looked at before anybody is asked. Loaded only where TLS is used. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ConfigError, describe, describeFile, RemotingError } from '../../errors.ts'
import { silentLog } from '../../log.ts'
import { ClientTls, type ClientTlsSettings } from '../../remoting/tls/client-tls.ts'

export function openTls(settings: ClientTlsSettings): ClientTls {
  const { trustCertPath, certPath, keyPath } = settings
  for (const path of [trustCertPath, certPath, keyPath]) if (path !== '') readPem(path)
  // A file without certificates would be taken for one that trusts nobody.
  for (const path of [trustCertPath, certPath]) if (path !== '') checkCertificate(path)
  try {
    return new ClientTls(settings, silentLog)
  } catch (error) {
    if (!(error instanceof RemotingError)) throw error
    throw new ConfigError('TLS_FILES', {
      what: error.what,
      where: error.where ?? '',
      todo: 'give the PEM files of one pair; the password of a key that is encrypted is BASALTMQ_TLS_KEY_PASSWORD',
    })
  }
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError('TLS_FILES', { what: `the TLS file cannot be read: ${describeFile(error)}`, where: path })
  }
}

function checkCertificate(path: string): void {
  try {
    new X509Certificate(readPem(path))
  } catch (error) {
    throw new ConfigError('TLS_FILES', {
      what: `the TLS file holds no certificate: ${describe(error)}`,
      where: path,
      todo: 'give one in PEM, as it begins with -----BEGIN CERTIFICATE-----',
    })
  }
}
