/**
 * Metadata writes that wait for the housekeeping thread: for each file the newest text counts, and one write answers all
 * who asked meanwhile.
 */
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { MetadataFile } from './metadata-file.ts'
import { metadataPath } from './metadata-store.ts'

export interface PersistOptions {
  folder: string
  log: Log
  /** `error` is undefined when the text, or a newer one for the same file, is durable. */
  answer(ticket: number, error: string | undefined): void
}

interface Group {
  text: string
  tickets: number[]
}

export class PersistQueue {
  private readonly options: PersistOptions
  private readonly files = new Map<string, MetadataFile>()
  private readonly waiting = new Map<string, Group>()
  /** Files whose last write failed, and why: said once. */
  private readonly failing = new Map<string, string>()

  constructor(options: PersistOptions) {
    this.options = options
  }

  get isEmpty(): boolean {
    return this.waiting.size === 0
  }

  add(file: string, text: string, ticket: number): void {
    const group = this.waiting.get(file) ?? { text, tickets: [] }
    group.text = text
    group.tickets.push(ticket)
    this.waiting.set(file, group)
  }

  /** Writes one file; 1 when there was one. */
  step(): number {
    for (const [file, group] of this.waiting) {
      this.waiting.delete(file)
      const error = this.write(file, group.text)
      for (const ticket of group.tickets) this.options.answer(ticket, error)
      return 1
    }
    return 0
  }

  private write(file: string, text: string): string | undefined {
    const { folder, log } = this.options
    const target = this.files.get(file) ?? new MetadataFile(metadataPath(folder, file), log)
    this.files.set(file, target)
    try {
      target.write(text)
      if (this.failing.delete(file)) log.info(`${target.path} can be written again`)
      return undefined
    } catch (error) {
      const reason = describe(error)
      if (this.failing.get(file) !== reason) log.error(reason, { path: target.path })
      this.failing.set(file, reason)
      return reason
    }
  }
}
