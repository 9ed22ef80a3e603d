/** Certificates for tests: an authority, and what it signs, made by the code under src for one key each. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Pair {
  name: string
  key: KeyObject
  keyPem: string
  certPem: string
}

/** Signed by `by`, or by itself. */
export function certificate(name: string, by?: Pair): Pair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = seq(der(0x06, Buffer.from('2a8648ce3d040302', 'hex')))
  const nameOf = (text: string) =>
    seq(der(0x31, seq(der(0x06, Buffer.from('550403', 'hex')), der(0x0c, Buffer.from(text)))))
  const time = (at: number) => der(0x17, Buffer.from(`${new Date(at).toISOString().replace(/\D/g, '').slice(2, 14)}Z`))
  // basicConstraints: an authority.
  const extensions = der(
    0xa3,
    seq(
      seq(
        der(0x06, Buffer.from('551d13', 'hex')),
        der(0x04, seq(der(0x01, Buffer.from([by === undefined ? 0xff : 0])))),
      ),
    ),
  )
  const body = seq(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    nameOf(by?.name ?? name),
    seq(time(Date.now() - 86_400_000), time(Date.now() + 86_400_000)),
    nameOf(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    extensions,
  )
  const signature = sign('sha256', body, by?.key ?? privateKey)
  const bytes = seq(body, algorithm, der(0x03, Buffer.concat([Buffer.from([0]), signature])))
  const certPem = `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  return { name, key: privateKey, keyPem, certPem }
}

function der(tag: number, content: Uint8Array): Buffer {
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

function seq(...parts: Uint8Array[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

/** A folder of PEM files that goes away with `remove`. */
export class PemFolder {
  readonly folder = mkdtempSync(join(tmpdir(), 'basalt-tls-'))

  put(name: string, pair: Pair): { keyPath: string; certPath: string } {
    const keyPath = join(this.folder, `${name}.key`)
    const certPath = join(this.folder, `${name}.pem`)
    writeFileSync(keyPath, pair.keyPem)
    writeFileSync(certPath, pair.certPem)
    return { keyPath, certPath }
  }

  /** The same key, encrypted. */
  putEncrypted(name: string, pair: Pair, passphrase: string): string {
    const path = join(this.folder, `${name}.encrypted.key`)
    writeFileSync(path, pair.key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }))
    return path
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
