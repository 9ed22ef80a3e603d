/**
 * The certificate of tls.test.mode.enable: made at its first use, signed by itself, kept in memory only. It encrypts and
 * proves nothing. Node has no call that makes one, so its few DER fields are written here (RFC 5280).
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

export interface CertificatePair {
  /** PEM. */
  readonly key: string
  readonly cert: string
}

const DAY_MS = 86_400_000
const VALID_DAYS = 3650
const OID_ECDSA_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]
const OID_COMMON_NAME = [0x55, 0x04, 0x03]

/** `now`: milliseconds since 1970; valid from the day before, because clocks differ. */
export function makeTestCertificate(now: number): CertificatePair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = sequence(der(0x06, Buffer.from(OID_ECDSA_SHA256)))
  const name = sequence(
    der(0x31, sequence(der(0x06, Buffer.from(OID_COMMON_NAME)), der(0x0c, Buffer.from('basaltmq test')))),
  )
  const version3 = der(0xa0, der(0x02, Buffer.from([2])))
  const serial = der(0x02, Buffer.concat([Buffer.from([0x01]), randomBytes(15)]))
  const validity = sequence(time(now - DAY_MS), time(now + VALID_DAYS * DAY_MS))
  const body = sequence(version3, serial, algorithm, name, validity, name, spki(publicKey))
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)]))
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert: pem(sequence(body, algorithm, signature)),
  }
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' })
}

/** Tag, length, content. */
function der(tag: number, content: Uint8Array): Buffer {
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

function sequence(...parts: Uint8Array[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

/** UTCTime up to 2049, GeneralizedTime from then on. */
function time(at: number): Buffer {
  const digits = `${new Date(at).toISOString().replace(/\D/g, '').slice(0, 14)}Z`
  const isEarly = digits < '2050'
  return der(isEarly ? 0x17 : 0x18, Buffer.from(isEarly ? digits.slice(2) : digits))
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
