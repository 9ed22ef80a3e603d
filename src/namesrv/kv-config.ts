/**
 * The KV configuration: namespace → key → value, the one thing that a NameServer keeps on disk.
 *
 * Format: `{"configTable":{"NS":{"k":"v"}}}`, RocketMQ's kvConfig.json (spec/namesrv.md §1). A bad entry is skipped
 * and named, never fatal and never passed on (apache/rocketmq #2935: a null entry kept every broker from starting).
 */

import { DurableFile } from '../durable-file.ts'
import type { Log } from '../log.ts'
import { parse } from '../remoting/fastjson.ts'
import { checkKey, wrongEntry } from './names.ts'

export class KvConfig {
  private readonly table = new Map<string, Map<string, string>>()
  private readonly file: DurableFile | undefined
  private readonly log: Log

  /** Without a path the entries live in memory only. */
  constructor(path: string | undefined, log: Log) {
    this.file = path === undefined ? undefined : new DurableFile(path)
    this.log = log
  }

  /** Reads the file, or its .bak where the file is damaged, and says so. */
  async load(): Promise<void> {
    const file = this.file
    if (file === undefined) return
    const found = await file.load(parseTable, (path, error) =>
      this.log.error(`KV configuration ${path} is damaged (${messageOf(error)}): kept as ${path}.damaged, trying .bak`),
    )
    for (const [namespace, entries] of Object.entries(found ?? {})) this.accept(namespace, entries)
  }

  get(namespace: string, key: string): string | undefined {
    return this.table.get(namespace)?.get(key)
  }

  entries(namespace: string): ReadonlyMap<string, string> | undefined {
    return this.table.get(namespace)
  }

  /** Kept at once; resolves when it is on disk, rejects when it is only in memory. */
  put(namespace: string, key: string, value: string): Promise<void> {
    this.set(namespace, key, value)
    return this.save()
  }

  /** An empty namespace stays. */
  async delete(namespace: string, key: string): Promise<void> {
    if (this.table.get(namespace)?.delete(key)) await this.save()
  }

  async close(): Promise<void> {
    await this.file?.settled()
  }

  private set(namespace: string, key: string, value: string): void {
    const entries = this.table.get(namespace)
    if (entries === undefined) this.table.set(namespace, new Map([[key, value]]))
    else entries.set(key, value)
  }

  private save(): Promise<void> {
    return this.file?.save(() => this.text()) ?? Promise.resolve()
  }

  private text(): string {
    const configTable = Object.fromEntries(
      [...this.table].map(([name, entries]) => [name, Object.fromEntries(entries)]),
    )
    return JSON.stringify({ configTable })
  }

  private accept(namespace: string, entries: unknown): void {
    const skip = (key: string, why: string) =>
      this.log.error(`KV configuration ${this.file?.path}: entry ${key} of namespace ${namespace} skipped: ${why}`)
    if (!isObject(entries)) skip('(all)', 'it is not an object')
    for (const [key, value] of Object.entries(isObject(entries) ? entries : {})) {
      try {
        const wrong = wrongEntry(checkKey('namespace', namespace), checkKey('key', key), value)
        if (wrong === undefined) this.set(namespace, key, value as string)
        else skip(key, wrong)
      } catch (error) {
        skip(key, messageOf(error))
      }
    }
  }
}

function parseTable(text: string): Record<string, unknown> {
  const value: unknown = parse(text)
  if (isObject(value) && isObject(value.configTable)) return value.configTable
  throw new Error('it has no object "configTable"')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
