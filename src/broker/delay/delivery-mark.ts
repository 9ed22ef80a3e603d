/**
 * <store>/basalt/deliveries: how far each level got, to the millisecond, for the start after a kill.
 *
 *   {"isActive":true,"from":81344,"copy":{"level":1,"offset":4710,"at":81344},"levels":{"1":4711,"3":12}}  and blanks
 *
 * delayOffset.json is written every ten seconds; what was delivered since would be delivered again. This file is rewritten in
 * place while deliveries go on. It is not synced: it lives in the page cache, as the log's last records do, and what a
 * power cut makes of it is noticed, because it is believed only as far as the log bears it out (recover-progress.ts).
 *
 * isActive  deliveries are under way: those that `levels` does not count are in the log at `from` or behind
 * copy      the last known delivery: the record at `at` is the message of that level and queue offset
 *
 * Blocks on: nothing; the system's own threads write.
 */
import { closeSync, constants, openSync, readFileSync, write } from 'node:fs'
import { join } from 'node:path'
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { FOLDERS } from '../../store/settings.ts'
import { entriesOf, integerOf } from '../metadata.ts'

/** Where the delivered form of a message is. */
export interface DeliveredCopy {
  level: number
  /** Of the message that waited, in its level's queue. */
  offset: number
  /** Physical offset of the delivered record. */
  at: number
}

export interface Mark {
  isActive: boolean
  from: number
  copy: DeliveredCopy | undefined
  levels: Map<number, number>
}

const FILE = 'deliveries'
const SIZE = 4096

export function markPath(storePathRootDir: string): string {
  return join(storePathRootDir, FOLDERS.own, FILE)
}

/** What the file says, or undefined where it says nothing that makes sense. */
export function readMark(path: string): Mark | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
  return parseMark(text)
}

export function parseMark(text: string): Mark | undefined {
  let value: Record<string, unknown>
  try {
    value = JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const from = integerOf(value.from)
  if (from === undefined || from < 0) return undefined
  const levels = new Map<number, number>()
  for (const [key, entry] of entriesOf(value.levels)) {
    const [number, offset] = [integerOf(key), integerOf(entry)]
    if (number === undefined || number < 1 || offset === undefined || offset < 0) return undefined
    levels.set(number, offset)
  }
  return { isActive: value.isActive === true, from, copy: readCopy(value.copy), levels }
}

function readCopy(value: unknown): DeliveredCopy | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { level, offset, at } = value as Record<string, unknown>
  const numbers = [integerOf(level), integerOf(offset), integerOf(at)]
  if (numbers.some((number) => number === undefined || number < 0)) return undefined
  return { level: numbers[0]!, offset: numbers[1]!, at: numbers[2]! }
}

export function markText({ isActive, from, copy, levels }: Mark): string {
  return JSON.stringify({ isActive, from, copy, levels: Object.fromEntries(levels) })
}

export class DeliveryMark {
  private readonly path: string
  private readonly log: Log
  private fd = -1
  private isWriting = false
  private next: { text: Buffer; done: (() => void)[] } | undefined
  private hasFailed = false
  private isClosed = false
  private hasClosed: () => void = () => {}

  constructor(path: string, log: Log) {
    this.path = path
    this.log = log
  }

  /** Writes the mark, or a later one; `done` is called when it is in the page cache (or cannot be written). */
  write(mark: Mark, done?: () => void): void {
    const text = Buffer.alloc(SIZE, ' ')
    // More levels than fit are far more than anybody has; they are then delivered again after a kill.
    const whole = markText(mark)
    text.write(whole.length < SIZE ? whole : '{}')
    this.next = { text, done: this.next?.done ?? [] }
    if (done !== undefined) this.next.done.push(done)
    if (!this.isWriting) this.flush()
  }

  /** After the last write(); what waits is still written. Settled when it is. */
  close(): Promise<void> {
    this.isClosed = true
    return new Promise((fulfil) => {
      this.hasClosed = fulfil
      if (!this.isWriting) this.closeFile()
    })
  }

  /** What is not being written is not written: somebody else writes the file from now on. */
  abandon(): void {
    this.next = undefined
    void this.close()
  }

  private flush(): void {
    const { next } = this
    this.next = undefined
    if (next === undefined) {
      if (this.isClosed) this.closeFile()
      return
    }
    try {
      if (this.fd < 0) this.fd = openSync(this.path, constants.O_RDWR | constants.O_CREAT, 0o644)
    } catch (error) {
      this.finished(next.done, error)
      return
    }
    this.isWriting = true
    write(this.fd, next.text, 0, next.text.length, 0, (error) => {
      this.isWriting = false
      this.finished(next.done, error)
      if (!this.isWriting) this.flush()
    })
  }

  private closeFile(): void {
    if (this.fd >= 0) closeSync(this.fd)
    this.fd = -1
    this.hasClosed()
  }

  private finished(done: (() => void)[], error: unknown): void {
    if (error === null || error === undefined) this.hasFailed = false
    else if (!this.hasFailed) {
      this.hasFailed = true
      const what = `${this.path} cannot be written: after a kill, delayed messages are delivered again`
      this.log.warn(`${what}: ${describe(error)}`)
    }
    for (const each of done) each()
  }
}
