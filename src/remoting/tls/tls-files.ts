/**
 * Key, certificate and trusted certificates from files, as one context that follows the files.
 *
 * Owns:      the context in force, a timer. Looks at the files twice a second, as RocketMQ does.
 * Invariant: a context is replaced only by one that could be made: while key and certificate do not belong together yet, the
 *            one in force stays. New connections take the new one, those that are open keep theirs.
 */
import { readFileSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import { describe, RemotingError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { makeTestCertificate } from './test-certificate.ts'

/** Paths; empty: none. */
export interface TlsFileSettings {
  /** Test mode: a certificate of our own, and the files below are not looked at. */
  readonly isTest: boolean
  readonly keyPath: string
  readonly keyPassword: string
  readonly certPath: string
  /** Who is trusted; empty: the certificate authorities that Node knows. */
  readonly trustCertPath: string
}

interface Contents {
  key?: string
  cert?: string
  ca?: string
}

const LOOK_MS = 500
/** Key and certificate are replaced one after the other: a pair that does not fit is told when it stays that way. */
const TRIES_MAX = 3

export class TlsFiles {
  private readonly settings: TlsFileSettings
  private readonly role: 'server' | 'client'
  private readonly log: Log
  private context: SecureContext | undefined
  private fingerprint = ''
  private misfits = 0
  private timer: NodeJS.Timeout | undefined

  /** Throws RemotingError TLS_FILES naming the file that cannot be read or does not fit. */
  constructor(role: 'server' | 'client', settings: TlsFileSettings, log: Log) {
    this.role = role
    this.settings = settings
    this.log = log
    if (settings.isTest) return
    this.context = this.make(this.readNow())
    if (this.paths().length === 0) return
    let isLooking = false
    this.timer = setInterval(() => {
      if (isLooking) return
      isLooking = true
      void this.look().finally(() => {
        isLooking = false
      })
    }, LOOK_MS)
    this.timer.unref()
  }

  /** The context for a new connection. */
  current(): SecureContext {
    this.context ??= this.makeTest()
    return this.context
  }

  close(): void {
    clearInterval(this.timer)
  }

  /** Never rejects. */
  async look(): Promise<void> {
    try {
      const fingerprint = await this.fingerprintNow()
      if (fingerprint === this.fingerprint) return
      const isFirst = this.fingerprint === ''
      const contents: Contents = {}
      for (const [name, path] of this.paths()) contents[name] = await readFile(path, 'utf8')
      this.context = this.make(contents)
      this.fingerprint = fingerprint
      this.misfits = 0
      if (!isFirst)
        this.log.info(`TLS: the ${this.role}'s certificate was read again`, { path: this.settings.certPath })
    } catch (error) {
      this.misfits += 1
      if (this.misfits === TRIES_MAX) {
        this.log.error(
          `TLS: the ${this.role}'s files changed and cannot be used, the former ones stay: ${describe(error)}`,
        )
      }
    }
  }

  private paths(): [keyof Contents, string][] {
    const { keyPath, certPath, trustCertPath } = this.settings
    const all: [keyof Contents, string][] = [
      ['key', keyPath],
      ['cert', certPath],
      ['ca', trustCertPath],
    ]
    return all.filter(([, path]) => path !== '')
  }

  private readNow(): Contents {
    const contents: Contents = {}
    for (const [name, path] of this.paths()) {
      try {
        contents[name] = readFileSync(path, 'utf8')
      } catch (cause) {
        throw new RemotingError('TLS_FILES', {
          what: `the TLS file cannot be read: ${describe(cause)}`,
          where: path,
          todo: `check tls.${this.role}.${name === 'ca' ? 'trustCertPath' : `${name}Path`}`,
          cause,
        })
      }
    }
    return contents
  }

  private make(contents: Contents): SecureContext {
    try {
      return createSecureContext({ ...contents, passphrase: this.settings.keyPassword || undefined })
    } catch (cause) {
      const { keyPath, certPath, trustCertPath } = this.settings
      throw new RemotingError('TLS_FILES', {
        what: `TLS key, certificate and trusted certificates do not fit: ${describe(cause)}`,
        where: [keyPath, certPath, trustCertPath].filter((path) => path !== '').join(', '),
        todo: `PEM files of one pair are needed (key: PKCS #8, tls.${this.role}.keyPassword where it is encrypted)`,
        cause,
      })
    }
  }

  private makeTest(): SecureContext {
    if (this.role === 'client') return createSecureContext()
    this.log.warn(
      'TLS: a certificate made for tests is used, which proves nothing to clients: set tls.server.keyPath and ' +
        'tls.server.certPath, or tls.server.mode=disabled',
    )
    return createSecureContext(makeTestCertificate(Date.now()))
  }

  private async fingerprintNow(): Promise<string> {
    const parts: string[] = []
    for (const [, path] of this.paths()) {
      const { mtimeMs, size, ino } = await stat(path)
      parts.push(`${mtimeMs} ${size} ${ino}`)
    }
    return parts.join(',')
  }
}
