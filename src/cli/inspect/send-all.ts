/**
 * Sends the messages of a source to brokers: up to IN_FLIGHT at a time and one of each queue, so that a queue keeps its order. The
 * first refusal, or Ctrl-C, ends it when what was under way is answered; it is said where to go on.
 */
import { notSent, Resender, type StoredMessage } from '../../admin/index.ts'
import { BasaltError, describe, StoreError } from '../../errors.ts'
import { LineSource, type RecordSource, type SourceRecord } from '../../inspect/export/index.ts'
import { parseProperties } from '../../store/commitlog/index.ts'
import { Context } from '../admin/context.ts'
import { Given } from '../admin/spec.ts'
import type { Io } from '../io.ts'
import { count } from '../table.ts'
import { damageText } from './build-target.ts'
import { jsonLine } from './common.ts'
import type { ImportFlags } from './import-command.ts'
import { ProgressBar } from './progress-bar.ts'

const IN_FLIGHT = 64

export async function sendAll(io: Io, source: RecordSource, flags: ImportFlags, fromLine: number): Promise<void> {
  // A bad line is told before anything is sent.
  if (source instanceof LineSource)
    for (const item of source.records()) if (item === undefined) await new Promise(setImmediate)
  // Account and TLS as of basaltmq admin.
  const context = new Context(io, new Given([], { ...flags }))
  await context.open()
  const sending = new Sending(io, new Resender(context.admin, flags.broker, Date.now))
  const forget = io.onSignal(() => sending.stop())
  const began = performance.now()
  try {
    await sending.run(source, fromLine)
  } finally {
    forget()
    await context.close()
  }
  const { sent, skipped, failure } = sending
  const seconds = (performance.now() - began) / 1000
  const rate = `${count(Math.round(sent / Math.max(seconds, 0.001)))}/s`
  if (flags.json === true) io.out(jsonLine({ sent, skipped: Object.fromEntries(skipped), ms: seconds * 1000 }))
  else {
    for (const [topic, { messages, why }] of skipped)
      io.out(`${count(messages)} messages of ${topic} were not sent: ${why}\n`)
    io.out(`${count(sent)} messages sent, ${rate}\n`)
  }
  io.error(damageText(source.damage))
  if (failure === undefined && !sending.isStopped) return
  const at = Math.min(failure?.at ?? Number.POSITIVE_INFINITY, sending.next)
  const isFile = source instanceof LineSource
  const goOn = isFile ? `--from-line ${at}` : `--from ${at}`
  const ahead = sending.ahead(at)
  const again = ahead === 0 ? '' : ` (${count(ahead)} behind it are stored already and would be sent again)`
  const place = failure === undefined ? '' : `${isFile ? 'line' : 'byte'} ${failure.at}: `
  throw new StoreError('IMPORT_STOPPED', {
    what: `${place}${failure === undefined ? 'stopped' : failure.what}`,
    todo: `${failure?.todo === undefined ? '' : `${failure.todo}; `}go on with ${goOn}${again}`,
  })
}

class Sending {
  sent = 0
  isStopped = false
  /** Where the next one would have been. */
  next = 0
  failure: { at: number; what: string; todo: string | undefined } | undefined
  readonly skipped = new Map<string, { messages: number; why: string }>()
  private readonly io: Io
  private readonly resender: Resender
  private readonly queues = new Map<string, Promise<void>>()
  private readonly flying = new Set<Promise<void>>()
  /** The last ones that were stored: what a failure before them makes to be sent again. */
  private readonly recent: number[] = []

  constructor(io: Io, resender: Resender) {
    this.io = io
    this.resender = resender
  }

  stop(): void {
    this.isStopped = true
  }

  /** How many at or behind `at` are stored. */
  ahead(at: number): number {
    return this.recent.filter((each) => each >= at).length
  }

  async run(source: RecordSource, fromLine: number): Promise<void> {
    const bar = new ProgressBar(this.io)
    for (const item of source.records()) {
      bar.show(source.progress(), source.total)
      if (item === undefined) {
        await new Promise(setImmediate)
        continue
      }
      const at = item.line > 0 ? item.line : item.record.physicalOffset
      if (item.line > 0 && item.line < fromLine) continue
      while (this.flying.size >= IN_FLIGHT) await Promise.race(this.flying)
      this.next = at
      if (this.isStopped || this.failure !== undefined) break
      this.begin(messageOf(item), at)
      this.next = at + 1
    }
    await Promise.all(this.flying)
    bar.clear()
  }

  private begin(message: StoredMessage, at: number): void {
    const why = notSent(message)
    if (why !== undefined) {
      const known = this.skipped.get(message.topic) ?? { messages: 0, why }
      known.messages += 1
      this.skipped.set(message.topic, known)
      return
    }
    const queue = `${message.topic}/${message.queueId}`
    const before = this.queues.get(queue) ?? Promise.resolve()
    const sending = before.then(() => this.send(message, at))
    this.queues.set(queue, sending)
    this.flying.add(sending)
    void sending.then(() => {
      this.flying.delete(sending)
      if (this.queues.get(queue) === sending) this.queues.delete(queue)
    })
  }

  private async send(message: StoredMessage, at: number): Promise<void> {
    // What is in front of the one that failed goes out yet: less is sent twice then.
    if (this.failure !== undefined && at > this.failure.at) return
    try {
      await this.resender.send(message)
      this.sent += 1
      this.recent.push(at)
      if (this.recent.length > 4 * IN_FLIGHT) this.recent.splice(0, 2 * IN_FLIGHT)
    } catch (error) {
      const isOurs = error instanceof BasaltError
      const where = isOurs && error.where !== undefined ? ` (${error.where})` : ''
      const what = isOurs ? `${error.what}${where}` : describe(error)
      this.fail({ at, what, todo: isOurs ? error.todo : undefined })
    }
  }

  /** Of several the one nearest to the beginning is told. */
  private fail(failure: NonNullable<Sending['failure']>): void {
    if (this.failure === undefined || failure.at < this.failure.at) this.failure = failure
  }
}

function messageOf({ record, bytes }: SourceRecord): StoredMessage {
  const { topicStart, topicLength, propertiesStart, propertiesLength, bodyStart, bodyLength } = record
  return {
    topic: bytes.toString('utf8', topicStart, topicStart + topicLength),
    queueId: record.queueId,
    flag: record.flag,
    sysFlag: record.sysFlag,
    bornTimestamp: record.bornTimestamp,
    reconsumeTimes: record.reconsumeTimes,
    properties: parseProperties(bytes.toString('utf8', propertiesStart, propertiesStart + propertiesLength)),
    body: Buffer.from(bytes.subarray(bodyStart, bodyStart + bodyLength)),
  }
}
