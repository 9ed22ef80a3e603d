/**
 * A rules file: YAML 1.1, as RocketMQ's snakeyaml reads and writes it. Its comments and its order survive our changes.
 *
 *   globalWhiteRemoteAddresses: [..]
 *   accounts: [{accessKey, secretKey, whiteRemoteAddress, admin, defaultTopicPerm, defaultGroupPerm, topicPerms, groupPerms}]
 *   dataVersion: [{counter, timestamp}]
 *
 * Negative space: an error names file and line and never quotes the text, because that may be a secret.
 * Rules: spec/remoting.md §8.
 */
import { type Document, isMap, isSeq, LineCounter, parseDocument, type YAMLMap, type YAMLSeq } from 'yaml'
import type { AccountEntry } from './account.ts'
import { AclError } from './acl-error.ts'

export interface DataVersion {
  readonly counter: number
  /** Milliseconds. */
  readonly timestamp: number
}

export interface AclFile {
  readonly path: string
  readonly document: Document
  readonly whiteAddresses: readonly string[]
  readonly accounts: readonly AccountEntry[]
  /** Undefined: the file has none. */
  readonly version: DataVersion | undefined
}

const WHITE_ADDRESSES = 'globalWhiteRemoteAddresses'
const ACCOUNTS = 'accounts'
const DATA_VERSION = 'dataVersion'
// 1.1: what a Java broker takes for a number or a switch is taken for one here, and is quoted where it must not be.
// BigInts: a secret of twenty digits keeps all of them.
const OPTIONS = { version: '1.1', intAsBigInt: true, prettyErrors: false } as const

/** An empty file is one without rules. Throws AclError naming the file, and the line where that is known. */
export function parseAclFile(path: string, text: string): AclFile {
  const lines = new LineCounter()
  const document = parseDocument(text, { ...OPTIONS, lineCounter: lines })
  const [error] = document.errors
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0])
    throw damaged(`${path}:${line}`, `is no YAML: ${error.code} at column ${col}`)
  }
  const root: unknown = document.contents === null ? {} : document.toJS()
  if (root !== null && !isObject(root)) throw damaged(path, 'is no map of keys')
  const data = root ?? {}
  return {
    path,
    document,
    whiteAddresses: textList(data[WHITE_ADDRESSES], path, WHITE_ADDRESSES) ?? [],
    accounts: listOf(data[ACCOUNTS], path, ACCOUNTS).map((entry, index) => accountEntry(entry, path, index)),
    version: versionOf(data[DATA_VERSION]),
  }
}

/** The file's text after a change, with the next version; what was not changed keeps its comments. */
export function changedText(file: AclFile, timestamp: number, change: (edit: AclEdit) => void): string {
  const { document } = file
  if (!isMap(document.contents)) document.contents = document.createNode({}) as typeof document.contents
  change(new AclEdit(document))
  const counter = (file.version?.counter ?? 0) + 1
  document.set(DATA_VERSION, document.createNode([{ counter, timestamp }]))
  return document.toString({ lineWidth: 0 })
}

export class AclEdit {
  private readonly document: Document

  constructor(document: Document) {
    this.document = document
  }

  setWhiteAddresses(addresses: readonly string[]): void {
    this.document.set(WHITE_ADDRESSES, this.document.createNode(addresses))
  }

  /** Absent fields keep what the file says; `admin` is always set, as by RocketMQ. */
  putAccount(entry: AccountEntry): void {
    const account = this.find(entry.accessKey) ?? this.add()
    for (const [name, value] of Object.entries(entry)) {
      if (value !== undefined) account.set(name, this.document.createNode(value))
    }
  }

  removeAccount(accessKey: string): void {
    const accounts = this.accounts()
    accounts.items = accounts.items.filter((item) => !isMap(item) || keyOf(item) !== accessKey)
  }

  private find(accessKey: string | undefined): YAMLMap | undefined {
    return this.accounts().items.find((item): item is YAMLMap => isMap(item) && keyOf(item) === accessKey)
  }

  private add(): YAMLMap {
    const account = this.document.createNode({}) as YAMLMap
    account.flow = false
    this.accounts().add(account)
    return account
  }

  private accounts(): YAMLSeq {
    const found = this.document.get(ACCOUNTS)
    if (isSeq(found)) return found
    const made = this.document.createNode([]) as YAMLSeq
    made.flow = false
    this.document.set(ACCOUNTS, made)
    return made
  }
}

function keyOf(account: YAMLMap): string | undefined {
  const key = account.get('accessKey')
  return key === undefined || key === null ? undefined : String(key)
}

function accountEntry(value: unknown, path: string, index: number): AccountEntry {
  const where = `account ${index + 1}`
  if (!isObject(value)) throw damaged(path, `has an ${where} that is no map of keys`)
  const text = (name: string) => textOf(value[name], path, `${where}, ${name}`)
  return {
    accessKey: text('accessKey'),
    secretKey: text('secretKey'),
    whiteRemoteAddress: text('whiteRemoteAddress'),
    admin: switchOf(value.admin, path, `${where}, admin`),
    defaultTopicPerm: text('defaultTopicPerm'),
    defaultGroupPerm: text('defaultGroupPerm'),
    topicPerms: textList(value.topicPerms, path, `${where}, topicPerms`),
    groupPerms: textList(value.groupPerms, path, `${where}, groupPerms`),
  }
}

/** Texts and whole numbers. Of fractions, switches and dates the digits as written are lost: they have to be quoted. */
function textOf(value: unknown, path: string, what: string): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  if (typeof value === 'bigint') return String(value)
  throw damaged(path, `has no text at ${what}: put it in quotes`)
}

function switchOf(value: unknown, path: string, what: string): boolean {
  if (value === undefined || value === null) return false
  if (typeof value === 'boolean') return value
  const word = String(value).trim().toLowerCase()
  if (word === 'true' || word === '1') return true
  if (word === 'false' || word === '0') return false
  throw damaged(path, `has neither true nor false at ${what}`)
}

function textList(value: unknown, path: string, what: string): string[] | undefined {
  if (value === undefined || value === null) return undefined
  return listOf(value, path, what).map((item) => textOf(item, path, what) ?? '')
}

function listOf(value: unknown, path: string, what: string): unknown[] {
  if (value === undefined || value === null) return []
  if (Array.isArray(value)) return value
  throw damaged(path, `has no list at ${what}`)
}

/** Where it is none the file counts as new: it says nothing of who may do what. */
function versionOf(value: unknown): DataVersion | undefined {
  const first: unknown = Array.isArray(value) ? value[0] : undefined
  if (!isObject(first)) return undefined
  const counter = Number(first.counter)
  const timestamp = Number(first.timestamp)
  return Number.isSafeInteger(counter) && Number.isSafeInteger(timestamp) ? { counter, timestamp } : undefined
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function damaged(where: string, what: string): AclError {
  return new AclError(`the rules file ${what}`, { where, todo: 'correct the file' })
}
