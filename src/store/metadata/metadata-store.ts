/**
 * config/*.json as the broker's tables see them: load() at start, save() whenever something changed.
 *
 * In a broker the writing is done by the housekeeping thread, one write for all changes of a file that are waiting; the
 * promise of each save settles when the text that holds it is on disk. A process without stages (NameServer, tools) takes
 * directMetadataStore.
 */
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { assert } from '../../assert.ts'
import { StoreError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { FOLDERS } from '../settings.ts'
import { MetadataFile } from './metadata-file.ts'

/** What RocketMQ does not have lies where the rest of ours is. */
const OWN_FILES: ReadonlySet<string> = new Set(['deletedTopics.json', 'slaveOffsets.json'])

export interface MetadataStore {
  /** Strict JSON text of config/<file>, or undefined where there is none yet. Throws StoreError METADATA_DAMAGED. */
  load(file: string): string | undefined
  /** Resolves when `text`, or one given after it for the same file, is durable. */
  save(file: string, text: string): Promise<void>
}

/** What the housekeeping thread is asked (stages/messages.ts, ToStage). */
export type PersistRequest = { kind: 'persist'; ticket: number; file: string; text: string }

interface Waiting {
  resolve(): void
  reject(error: Error): void
}

export class StagedMetadataStore implements MetadataStore {
  private readonly folder: string
  private readonly log: Log
  private readonly post: (request: PersistRequest) => void
  private readonly waiting = new Map<number, Waiting>()
  private tickets = 0

  constructor(options: { folder: string; log: Log; post(request: PersistRequest): void }) {
    this.folder = options.folder
    this.log = options.log
    this.post = options.post
  }

  load(file: string): string | undefined {
    return new MetadataFile(metadataPath(this.folder, file), this.log).read()?.text
  }

  save(file: string, text: string): Promise<void> {
    metadataPath(this.folder, file)
    this.tickets += 1
    const ticket = this.tickets
    return new Promise((resolve, reject) => {
      this.waiting.set(ticket, { resolve, reject })
      this.post({ kind: 'persist', ticket, file, text })
    })
  }

  /** The housekeeping thread's answer (FromStage 'persisted'). */
  persisted(ticket: number, error: string | undefined): void {
    const waiting = this.waiting.get(ticket)
    if (waiting === undefined) return
    this.waiting.delete(ticket)
    if (error === undefined) waiting.resolve()
    else waiting.reject(new StoreError('METADATA_NOT_SAVED', { what: error, retriable: true }))
  }

  /** The housekeeping thread is gone: nothing that waits will be written. */
  abandon(reason: string): void {
    for (const ticket of [...this.waiting.keys()]) this.persisted(ticket, reason)
  }
}

export function directMetadataStore(folder: string, log: Log): MetadataStore {
  const files = new Map<string, MetadataFile>()
  const fileOf = (name: string) => {
    const known = files.get(name) ?? new MetadataFile(metadataPath(folder, name), log)
    files.set(name, known)
    return known
  }
  return {
    load: (file) => fileOf(file).read()?.text,
    async save(file, text) {
      mkdirSync(folder, { recursive: true })
      fileOf(file).write(text)
    },
  }
}

/** File names come from the code, never from a request: no separators, no leading dot. `folder`: config/ of a store. */
export function metadataPath(folder: string, file: string): string {
  assert(/^\w[\w.-]*$/.test(file), 'a metadata file is named by a plain word')
  return OWN_FILES.has(file) ? join(dirname(folder), FOLDERS.own, file) : join(folder, file)
}
