/**
 * A store made of messages, or added to: gone through once to see what there is, and a second time to write it. What is wrong
 * with a line is told before anything is written.
 *
 *   plan ─▶ lock ─▶ recover ─▶ append, dispatch ─▶ sync ─▶ tables ─▶ checkpoint ─▶ unlock
 *
 * A new log begins with its second file where a queue begins above 0: the blank units in front of such a queue point at byte 0,
 * and brokers of RocketMQ take them for messages while the log has such a byte.
 */
import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { BasaltError, ConfigError, describe, StoreError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { SYS_FLAG } from '../../store/commitlog/index.ts'
import { queueFileSize } from '../../store/consumequeue/index.ts'
import { SCHEDULE_TOPIC } from '../../store/dispatch/index.ts'
import type { StoreSettings } from '../../store/settings.ts'
import { logBounds } from '../log-end.ts'
import type { LogDamage } from '../log-records.ts'
import { openStore } from '../open-store.ts'
import { queueStats } from '../queue-units.ts'
import { readTables, topicRows } from '../tables.ts'
import { isSystem } from '../verify/verify.ts'
import { offsetsOf, writeTables } from './build-tables.ts'
import { ImportPlan, planImport, type QueuePlan } from './plan.ts'
import { type RecordSource, StoreSource } from './record-source.ts'
import { StoreBuilder } from './store-builder.ts'

export interface BuildOptions {
  source: RecordSource
  /** Of the store that is written; its root is absent or empty, or a store. */
  settings: StoreSettings
  log: Log
  now: number
  /** Both rounds together. */
  onProgress?: (done: number, total: number) => void
}

export interface Built {
  /** 0: nothing was written, not even a folder. */
  records: number
  isNew: boolean
  log: { from: number; end: number }
  queues: number
  renumbered: QueuePlan[]
  damage: LogDamage[]
  /** Records of which no queue can be made, and of topics that were deleted. */
  skipped: number
  leftOut: number
  /** Delayed messages that wait again, because nothing says that they were delivered. */
  delayed: number
  ms: number
}

const HALF_TOPIC = 'RMQ_SYS_TRANS_HALF_TOPIC'
/** Places of half messages that are remembered for their commits. */
const HALVES_MAX = 500_000
const INTERVAL = 1024

export async function buildStore(options: BuildOptions): Promise<Built> {
  const began = performance.now()
  const { source, settings } = options
  const isNew = isNewStore(settings.storePathRootDir)
  const tables = source instanceof StoreSource ? readTables(source.store.root) : undefined
  const plan = new ImportPlan(source instanceof StoreSource ? deletedIn(source) : undefined)
  for (const offset of tables === undefined ? [] : offsetsOf(tables)) plan.watch(offset)
  await planImport(source, plan, () => options.onProgress?.(source.progress(), 2 * source.total))
  const result = { isNew, skipped: plan.skipped, leftOut: plan.leftOut, damage: source.damage }
  if (plan.records === 0)
    return { ...result, records: 0, log: { from: 0, end: 0 }, queues: 0, renumbered: [], delayed: 0, ms: 0 }
  const beginsAt = isNew && plan.queues.some(({ first }) => first > 0) ? settings.mappedFileSizeCommitLog : 0
  const floor = isNew ? 0 : logBounds(openStore(settings.storePathRootDir, { known: settings }), false).lastTime
  const builder = new StoreBuilder(settings, options.log, beginsAt)
  const from = builder.end
  try {
    plan.settle((topic, queueId) => builder.nextOf(topic, queueId), !isNew && builder.recovered.min === 0)
    await write(builder, plan, floor, options)
    if (isNew && source instanceof StoreSource && source.isWhole) keepEmptyQueues(builder, plan, source)
    const isWhole = source instanceof StoreSource && source.isWhole
    const { storePathRootDir: root } = settings
    builder.finish(() => writeTables({ root, plan, source: isNew ? tables : undefined, isWhole, now: options.now }))
  } catch (error) {
    throw givenUp(builder, settings.storePathRootDir, isNew, error)
  }
  const delayed = isNew && tables !== undefined ? 0 : delayedIn(plan)
  const { records, end } = builder
  const { queues } = plan
  const ms = performance.now() - began
  return { ...result, records, log: { from, end }, queues: queues.length, renumbered: plan.renumbered(), delayed, ms }
}

async function write(builder: StoreBuilder, plan: ImportPlan, floor: number, options: BuildOptions): Promise<void> {
  const { source } = options
  const halves = new Map<number, number>()
  let lastTime = floor
  for (const item of source.records()) {
    if (item === undefined || builder.records % INTERVAL === INTERVAL - 1) {
      options.onProgress?.(source.total + source.progress(), 2 * source.total)
      await new Promise(setImmediate)
    }
    if (item === undefined) continue
    const queueOffset = plan.place(item)
    if (queueOffset < 0) continue
    const { record, bytes } = item
    const isCommit = (record.sysFlag & SYS_FLAG.transactionMask) === SYS_FLAG.commit
    const preparedTransactionOffset = isCommit ? (halves.get(record.preparedTransactionOffset) ?? 0) : 0
    // Behind messages that were there nothing older follows: brokers look times up by halves.
    const storeTimestamp = Math.max(record.storeTimestamp, floor === 0 ? 0 : lastTime)
    const at = builder.append(record, bytes, { queueOffset, storeTimestamp, preparedTransactionOffset })
    lastTime = storeTimestamp
    if (halves.size < HALVES_MAX && isHalf(bytes, record.topicStart, record.topicLength))
      halves.set(record.physicalOffset, at)
  }
  if (builder.records === plan.records) return
  throw new StoreError('SOURCE_CHANGED', {
    what: `${builder.records} messages were found the second time, ${plan.records} the first time`,
    todo: 'the source is being changed, by retention perhaps: stop its broker, or give --from',
  })
}

const HALF = Buffer.from(HALF_TOPIC)
const isHalf = (bytes: Buffer, start: number, length: number) =>
  length === HALF.length && HALF.compare(bytes, start, start + length) === 0

/** Queues whose records are all gone: their next offsets are kept, so that those of consumers keep their meaning. */
function keepEmptyQueues(builder: StoreBuilder, plan: ImportPlan, { store }: StoreSource): void {
  const planned = new Set(plan.queues.map(({ topic, queueId }) => `${topic}/${queueId}`))
  for (const queue of store.files.queues) {
    if (planned.has(`${queue.topic}/${queue.queueId}`)) continue
    const { max } = queueStats(queue, queueFileSize(store.settings), 0, Number.MAX_SAFE_INTEGER)
    if (max > 0) builder.emptyQueue(queue.topic, queue.queueId, max)
  }
}

/** Neither in topics.json nor in consumequeue/, though the former can be read. */
function deletedIn({ store, isWhole }: StoreSource): ((topic: string) => boolean) | undefined {
  const topics = topicRows(readTables(store.root))
  if (topics === undefined || !isWhole) return undefined
  const withQueues = new Set(store.files.queues.map(({ topic }) => topic))
  return (topic) => !topics.has(topic) && !withQueues.has(topic) && !isSystem(topic)
}

function delayedIn(plan: ImportPlan): number {
  return plan.queues.filter(({ topic }) => topic === SCHEDULE_TOPIC).reduce((sum, { count }) => sum + count, 0)
}

/** True where there is nothing; false for a store. Throws ConfigError NO_STORE for anything else. */
export function isNewStore(root: string): boolean {
  const status = statSync(root, { throwIfNoEntry: false })
  if (status === undefined) return true
  const what = 'it is neither a store nor an empty folder'
  const todo = 'give a folder that does not exist yet, or the storePathRootDir of a broker that is stopped'
  if (!status.isDirectory()) throw new ConfigError('NO_STORE', { what, where: root, todo })
  if (readdirSync(root).length === 0) return true
  if (statSync(join(root, 'commitlog'), { throwIfNoEntry: false })?.isDirectory() === true) return false
  throw new ConfigError('NO_STORE', { what, where: root, todo })
}

/** What was begun is taken back, or said. */
function givenUp(builder: StoreBuilder, root: string, isNew: boolean, cause: unknown): Error {
  const { records } = builder
  try {
    builder.abandon()
  } catch {
    // The first error says why.
  }
  if (isNew) for (const name of readdirSync(root)) rmSync(join(root, name), { recursive: true, force: true })
  const state = isNew
    ? 'the store that was begun has been removed'
    : `up to ${records} messages are in the store, which is as after a crash: a start recovers it`
  const [what, todo] = cause instanceof BasaltError ? [cause.what, cause.todo] : [describe(cause), undefined]
  const where = cause instanceof BasaltError && cause.where !== undefined ? cause.where : root
  const code = cause instanceof BasaltError ? cause.code : 'IMPORT_FAILED'
  return new StoreError(code, { what: `${what}; ${state}`, where, ...(todo === undefined ? {} : { todo }), cause })
}
