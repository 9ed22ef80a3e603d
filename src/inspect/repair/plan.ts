/**
 * From what verify found to what can be done about it, and what cannot. Nothing is changed here.
 *
 * The log of a member of a DLedger group is left to its start, which cuts a torn end, and to the others of its group, which fill it
 * again; queues and index are made of what is committed in it.
 *
 *   tail         bytes behind the last record, where a crash or a cut file left some       log
 *   queues       ConsumeQueues that are wrong, missing or cut: built again                 consumequeue
 *   index        the same for the index, all of it
 *   tables       a table that is no JSON, from its .bak                                    config
 *   offsets      offsets beyond their queue, set to its end
 *   checkpoint   its three times, from the last record and the index
 *   strays       files that stop a broker's start, moved away
 *   marks        basalt/positions and basalt/queues, where they no longer speak of this store
 *   checksums    side checksums that are damaged, or of a segment that changes; a broker hashes it again
 */
import { existsSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { checksumsPath } from '../../store/checksums/index.ts'
import { FOLDERS } from '../../store/settings.ts'
import { committedEnd } from '../committed.ts'
import type { InspectedStore } from '../open-store.ts'
import { readTables } from '../tables.ts'
import type { Finding, FindingCode } from '../verify/finding.ts'
import type { Verification } from '../verify/verify.ts'
import { lastByteBehind } from './tail.ts'

export const PARTS = [
  'strays',
  'tail',
  'queues',
  'index',
  'tables',
  'offsets',
  'checkpoint',
  'marks',
  'checksums',
] as const
export type Part = (typeof PARTS)[number]

export interface Action {
  part: Part
  /** In words: what is done. */
  what: string
  /** Findings that it answers. */
  findings: number
}

export interface Cut {
  path: string
  from: number
  to: number
  size: number
  fullSize: number
}

export interface RepairPlan {
  actions: Action[]
  /** Findings that no repair can answer: they stay as they are. */
  left: Finding[]
  queues: { topic: string; queueId: number }[]
  /** Those that have records and no files as well. */
  allQueues: boolean
  /** Queues and index are built up to there; undefined: the end of the log. */
  builtTo: number | undefined
  wantsIndex: boolean
  cut: Cut | undefined
  /** Segments behind the end, strays, marks: what goes. */
  removed: string[]
  /** Tables that come from their .bak. */
  tables: { path: string; bak: string }[]
  wantsOffsets: boolean
  wantsCheckpoint: boolean
  /** Sizes that no file tells and nobody said: RocketMQ's defaults are taken. */
  assumed: string[]
}

export interface PlanOptions {
  only?: readonly Part[] | undefined
  /** Every queue that has files or records, not the broken ones alone. */
  allQueues?: boolean | undefined
}

const QUEUE_CODES: ReadonlySet<FindingCode> = new Set([
  'UNIT_WRONG',
  'UNIT_SIZE',
  'UNIT_TAG',
  'UNIT_MISSING',
  'UNIT_HOLE',
  'UNIT_GARBAGE',
  'UNIT_BEYOND',
  'UNIT_DANGLING',
  'QUEUE_MISSING',
  'QUEUE_FILE',
])
const WRONG_UNITS: ReadonlySet<FindingCode> = new Set([
  'UNIT_WRONG',
  'UNIT_SIZE',
  'UNIT_GARBAGE',
  'UNIT_BEYOND',
  'UNIT_DANGLING',
])
const INDEX_CODES: ReadonlySet<FindingCode> = new Set([
  'INDEX_HEADER',
  'INDEX_CHAIN',
  'INDEX_ENTRY',
  'INDEX_INCOMPLETE',
])

export function planRepair(store: InspectedStore, verification: Verification, options: PlanOptions = {}): RepairPlan {
  return new Planner(store, verification, options).run()
}

class Planner {
  private readonly store: InspectedStore
  private readonly verification: Verification
  private readonly wants: (part: Part) => boolean
  private readonly plan: RepairPlan = {
    actions: [],
    left: [],
    queues: [],
    allQueues: false,
    builtTo: undefined,
    wantsIndex: false,
    cut: undefined,
    removed: [],
    tables: [],
    wantsOffsets: false,
    wantsCheckpoint: false,
    assumed: [],
  }
  private readonly answered = new Set<Finding>()
  private readonly allQueues: boolean

  constructor(store: InspectedStore, verification: Verification, { only, allQueues }: PlanOptions) {
    this.store = store
    this.verification = verification
    this.allQueues = allQueues === true
    this.wants = (part) => only === undefined || only.includes(part)
  }

  run(): RepairPlan {
    const { plan } = this
    plan.builtTo = this.committed()
    if (this.wants('strays')) this.strays()
    if (this.wants('tail') && this.store.files.member === undefined) this.tail()
    if (this.wants('queues')) this.queues()
    if (this.wants('index')) this.index()
    if (this.wants('tables')) this.tables()
    if (this.wants('offsets')) this.offsets()
    if (this.wants('checkpoint')) this.checkpoint()
    if (this.wants('marks')) this.marks()
    this.checksums()
    this.assume()
    const { findings } = this.verification
    plan.left = findings.filter((finding) => finding.severity !== 'info' && !this.answered.has(finding))
    return plan
  }

  private assume(): void {
    const { plan, store } = this
    const { known, files, settings } = store
    const say = (name: 'mappedFileSizeConsumeQueue' | 'maxHashSlotNum' | 'maxIndexNum') => {
      if (known[name] === undefined) plan.assumed.push(`${name}=${settings[name]}`)
    }
    if (plan.queues.length > 0 && files.queues.every((queue) => queue.files.length === 0))
      say('mappedFileSizeConsumeQueue')
    if (!plan.wantsIndex || files.indexFiles.length > 0) return
    say('maxHashSlotNum')
    say('maxIndexNum')
  }

  private of(codes: FindingCode | ReadonlySet<FindingCode>): Finding[] {
    const fits =
      typeof codes === 'string' ? (code: FindingCode) => code === codes : (code: FindingCode) => codes.has(code)
    return this.verification.findings.filter(({ code }) => fits(code))
  }

  private act(part: Part, what: string, findings: Finding[]): void {
    for (const finding of findings) this.answered.add(finding)
    this.plan.actions.push({ part, what, findings: findings.length })
  }

  private strays(): void {
    const found = this.of('STRAY_FILE')
    for (const finding of found) {
      this.plan.removed.push(finding.file)
      this.act('strays', `move ${finding.file} into the backup: brokers refuse to start with it`, [finding])
    }
  }

  /** Behind the end of the log: what is torn, later segments, and the last segment's size. */
  private tail(): void {
    const { store, plan, verification } = this
    const { end } = verification.log
    const size = store.settings.mappedFileSizeCommitLog
    const start = end - (end % size)
    const torn = this.of('TAIL_TORN')
    const short = this.of('SEGMENT_SHORT').filter(({ file }) => this.startOf(file) >= start)
    const isOdd = store.files.segments.some(({ start: from, size: own }) => from % size !== 0 || own > size)
    if ((torn.length === 0 && short.length === 0) || isOdd) return
    const last = store.files.segments.find((segment) => segment.start === start)
    if (last !== undefined) {
      const to = lastByteBehind(last.path, end - start)
      if (to > end - start || last.size < size) {
        plan.cut = { path: last.path, from: end - start, to, size: last.size, fullSize: size }
        const cut = to > end - start ? `cut ${to - (end - start)} bytes behind the last record` : ''
        const fill = last.size < size ? `give it its full size, ${size} bytes instead of ${last.size}` : ''
        const both = [cut, fill].filter((each) => each !== '').join(', ')
        this.act('tail', `${last.path} from byte ${end - start}: ${both}`, [...torn, ...short])
      }
    }
    for (const { start: from, path } of store.files.segments) {
      // One that was made ahead.
      if (from <= start || (lastByteBehind(path, 0) === 0 && this.isWhole(path))) continue
      plan.removed.push(path)
      this.act('tail', `move ${path} into the backup: it lies behind the end of the log at ${end}`, [
        ...short.filter(({ file }) => file === path),
        ...torn.filter(({ file }) => file === path),
      ])
    }
  }

  private isWhole(path: string): boolean {
    const size = this.store.settings.mappedFileSizeCommitLog
    return this.store.files.segments.find((segment) => segment.path === path)?.size === size
  }

  private startOf(path: string): number {
    return this.store.files.segments.find((segment) => segment.path === path)?.start ?? -1
  }

  private queues(): void {
    const { store, plan, verification } = this
    const root = join(store.root, FOLDERS.consumeQueue)
    const byQueue = new Map<string, Finding[]>()
    for (const finding of this.of(QUEUE_CODES)) {
      const [topic, queueId, ...rest] = relative(root, finding.file).split(sep)
      if (topic === '..' || !/^\d+$/.test(queueId ?? '') || rest.length > 1) continue
      const key = `${topic}/${Number(queueId)}`
      byQueue.set(key, [...(byQueue.get(key) ?? []), finding])
    }
    // After a crash records at the end have no units yet. A queue that goes on to the end would say that all have theirs.
    const isElsewhere = plan.builtTo !== undefined && plan.builtTo !== verification.dispatchedTo
    plan.allQueues = this.allQueues || verification.more > 0 || ((store.isUnclean || isElsewhere) && byQueue.size > 0)
    if (plan.allQueues) {
      for (const { topic, queueId } of store.files.queues) {
        const key = `${topic}/${queueId}`
        byQueue.set(key, byQueue.get(key) ?? [])
      }
    }
    for (const [key, findings] of byQueue) {
      const at = key.lastIndexOf('/')
      plan.queues.push({ topic: key.slice(0, at), queueId: Number(key.slice(at + 1)) })
      const why = findings.length === 0 ? 'with all others' : codesOf(findings)
      this.act('queues', `build ${key} again from the log (${why})`, findings)
    }
  }

  /** Of a member's log; units of what may still be cut would be those of nothing. What has a unit is committed, if units can be believed. */
  private committed(): number | undefined {
    const { store, verification } = this
    if (store.files.member === undefined) return undefined
    const isBelieved = store.positions !== undefined || this.of(WRONG_UNITS).length === 0
    return Math.max(committedEnd(store), isBelieved ? verification.dispatchedTo : 0)
  }

  private index(): void {
    const { store, plan } = this
    const found = this.of(INDEX_CODES)
    const isElsewhere = store.isUnclean || (plan.builtTo !== undefined && plan.allQueues)
    const isBehind = isElsewhere && plan.queues.length > 0 && store.files.indexFiles.length > 0
    if ((found.length === 0 && !isBehind) || !store.settings.messageIndexEnable) return
    plan.wantsIndex = true
    const why = found.length > 0 ? codesOf(found) : 'the queues are built up to the end of the log'
    this.act('index', `build all index files again from the log (${why})`, found)
  }

  private tables(): void {
    const found = this.of('TABLE')
    for (const { path, from, content } of readTables(this.store.root).values()) {
      const own = found.filter(({ file }) => file === path)
      if (from !== 'bak' || content === undefined || own.length === 0) continue
      this.plan.tables.push({ path, bak: `${path}.bak` })
      this.act('tables', `put ${path}.bak in the place of ${path}`, own)
    }
  }

  private offsets(): void {
    const found = this.of('OFFSET_BEYOND')
    const isLater = this.plan.queues.length > 0 || this.plan.cut !== undefined || this.plan.tables.length > 0
    this.plan.wantsOffsets = found.length > 0 || isLater
    for (const finding of found) this.act('offsets', `set to the end of the queue: ${finding.what}`, [finding])
  }

  private checkpoint(): void {
    const found = this.of('CHECKPOINT')
    const isWrong = found.length > 0
    // An index without its time in the checkpoint is removed by a broker of RocketMQ that starts after a crash.
    this.plan.wantsCheckpoint = isWrong || this.plan.wantsIndex || this.plan.cut !== undefined
    if (!this.plan.wantsCheckpoint) return
    const why = isWrong ? codesOf(found) : 'for what is built and cut'
    this.act('checkpoint', `write the checkpoint anew: times of the last record and of the index (${why})`, found)
  }

  /** A start without them reads more of the log; with wrong ones it would believe them. */
  private marks(): void {
    const { store, plan } = this
    const found = this.of('POSITIONS')
    const lost = this.of('LOG_LOST')
    const own = (name: string) => join(store.root, FOLDERS.own, name)
    const isChanged = plan.queues.length > 0 || plan.wantsIndex || plan.cut !== undefined || plan.removed.length > 0
    if (store.positions !== undefined || found.some(({ file }) => file === own('positions'))) {
      const why = found.length > 0 ? codesOf(found) : 'the files they speak of change'
      if (found.some(({ file }) => file === own('positions')) || isChanged || lost.length > 0) {
        plan.removed.push(own('positions'))
        const answered = found.filter(({ file }) => file === own('positions'))
        this.act(
          'marks',
          `move basalt/positions into the backup: the next start reads the log itself (${why})`,
          answered,
        )
      }
    }
    const snapshot = found.filter(({ file }) => file === own('queues'))
    if (snapshot.length === 0) return
    plan.removed.push(own('queues'))
    this.act('marks', 'move basalt/queues into the backup: it is damaged', snapshot)
  }

  /** Those of a segment that is cut or moved away go with it, whatever parts are wanted: what they say is no longer true. */
  private checksums(): void {
    const { store, plan } = this
    const found = this.wants('checksums') ? this.of('SIDE_CHECKSUM_FILE') : []
    for (const { file } of found) plan.removed.push(file)
    for (const finding of found)
      this.act('checksums', `move ${finding.file} into the backup: a broker hashes the segment again`, [finding])
    const changed = [plan.cut?.path, ...plan.removed].map((path) => this.startOf(path ?? ''))
    for (const start of changed) {
      const path = checksumsPath(store.root, start)
      if (start < 0 || plan.removed.includes(path) || !existsSync(path)) continue
      plan.removed.push(path)
      this.act('checksums', `move ${path} into the backup: its segment changes`, [])
    }
  }
}

function codesOf(findings: readonly Finding[]): string {
  return [...new Set(findings.map(({ code }) => code))].join(', ')
}
