/**
 * The access rules of a running broker: read at the start, read again when a file changes, changed by requests 50, 51, 53.
 *
 * Owns:      the rules in force. Called by: the guard (each request), the administration, the schedule (every 500 ms).
 * Invariant: rules are replaced as a whole. Files that are wrong are told once, and the rules in force stay.
 * Blocks on: nothing: files are read and written by the system's threads, one task after the other.
 */
import { join, resolve } from 'node:path'
import type { Clock } from '../../clock.ts'
import { DurableFile } from '../../durable-file.ts'
import { ConfigError, describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { type AccountEntry, accountOf } from './account.ts'
import { AclError } from './acl-error.ts'
import { type AclEdit, changedText, type DataVersion, parseAclFile } from './acl-file.ts'
import { DEFAULT_FILE, FOLDER, fingerprintOf, readTexts } from './acl-folder.ts'
import { checkPermissions } from './permissions.ts'
import { type AclRules, rulesOf } from './rules.ts'

export interface AclOptions {
  /** Folder of plain_acl.yml and acl/. */
  folder: string
  clock: Clock
  log: Log
}

export class Acl {
  rules: AclRules
  private readonly options: AclOptions
  private readonly defaultFile: string
  private fingerprint: string
  private said: string | undefined
  private last: Promise<unknown> = Promise.resolve()

  /** Rejects with ConfigError: a broker that is to check rules does not start without them. */
  static async open(options: AclOptions): Promise<Acl> {
    const { folder, clock, log } = options
    try {
      const fingerprint = await fingerprintOf(folder)
      const rules = await read(folder, clock.now())
      tellRepeated(rules, log)
      log.info(`access rules: ${rules.accounts.size} accounts of ${rules.versions.size} files in ${folder}`)
      return new Acl(options, rules, fingerprint)
    } catch (cause) {
      const what = `aclEnable is true, but there are no rules to check: ${describe(cause)}`
      throw new ConfigError('ACL_UNREADABLE', { what, todo: 'put plain_acl.yml there, or set aclConfigPath', cause })
    }
  }

  private constructor(options: AclOptions, rules: AclRules, fingerprint: string) {
    this.options = options
    this.defaultFile = join(options.folder, DEFAULT_FILE)
    this.rules = rules
    this.fingerprint = fingerprint
  }

  /** Reads the files again if one of them changed. Never rejects. */
  look(): Promise<void> {
    return this.next(async () => {
      const { folder, clock, log } = this.options
      try {
        const fingerprint = await fingerprintOf(folder)
        if (fingerprint === this.fingerprint) return
        this.fingerprint = fingerprint
        this.rules = await read(folder, clock.now())
        tellRepeated(this.rules, log)
        log.info(`access rules read again: ${this.rules.accounts.size} accounts of ${this.rules.versions.size} files`)
      } catch (error) {
        this.tell(describe(error))
      }
    })
  }

  /** 50: makes or changes an account; absent fields keep their values. Rejects with AclError or the system's error. */
  putAccount(entry: AccountEntry): Promise<void> {
    return this.next(async () => {
      checkPermissions(entry.topicPerms ?? [])
      checkPermissions(entry.groupPerms ?? [])
      accountOf(entry)
      const file = this.rules.accounts.get(entry.accessKey ?? '')?.file ?? this.defaultFile
      await this.change(file, (edit) => edit.putAccount(entry))
    })
  }

  /** 51: false when there is no such account. */
  removeAccount(accessKey: string): Promise<boolean> {
    return this.next(async () => {
      const known = this.rules.accounts.get(accessKey)
      if (known === undefined) return false
      await this.change(known.file, (edit) => edit.removeAccount(accessKey))
      return true
    })
  }

  /** 53: false when the path is none of the rules files. Empty: plain_acl.yml. */
  setWhiteAddresses(addresses: readonly string[], path: string): Promise<boolean> {
    return this.next(async () => {
      const file = path === '' ? this.defaultFile : resolve(path)
      if (!this.rules.versions.has(file)) return false
      await this.change(file, (edit) => edit.setWhiteAddresses(addresses))
      return true
    })
  }

  /** Version of plain_acl.yml, and of each file (52). */
  versions(): { own: DataVersion; all: ReadonlyMap<string, DataVersion> } {
    const all = this.rules.versions
    return { own: all.get(this.defaultFile) ?? { counter: 0, timestamp: 0 }, all }
  }

  /** Settled when nothing is being read or written. */
  async settled(): Promise<void> {
    await this.last
  }

  /** What others wrote meanwhile is read first and stays; the outcome has to be sound before a byte is written. */
  private async change(path: string, change: (edit: AclEdit) => void): Promise<void> {
    const { folder, clock, log } = this.options
    const texts = await readTexts(folder)
    const text = changedText(parseAclFile(path, texts.get(path) ?? ''), clock.now(), change)
    texts.set(path, text)
    const rules = rulesOf(
      [...texts].map(([file, content]) => parseAclFile(file, content)),
      clock.now(),
    )
    await new DurableFile(path).save(() => text)
    this.rules = rules
    this.fingerprint = await fingerprintOf(folder)
    log.info(`access rules changed by a request: ${rules.accounts.size} accounts`, { path })
  }

  private tell(problem: string): void {
    if (problem === this.said) return
    this.said = problem
    this.options.log.error(`access rules are not read again, those in force stay: ${problem}`)
  }

  /** One task at a time, in the order in which they were asked for. */
  private next<T>(task: () => Promise<T>): Promise<T> {
    const running = this.last.then(task)
    this.last = running.catch(() => {})
    return running
  }
}

async function read(folder: string, now: number): Promise<AclRules> {
  const texts = await readTexts(folder)
  if (texts.size === 0) {
    throw new AclError(`neither ${DEFAULT_FILE} nor ${FOLDER}/*.yml is there`, { where: folder })
  }
  return rulesOf(
    [...texts].map(([path, text]) => parseAclFile(path, text)),
    now,
  )
}

function tellRepeated({ repeated, accounts }: AclRules, log: Log): void {
  for (const { accessKey, file } of repeated) {
    log.warn(`accessKey ${accessKey} is in ${file} too: the one in ${accounts.get(accessKey)?.file} counts`)
  }
}
