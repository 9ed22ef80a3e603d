/**
 * Mends a store: verify ─▶ plan ─▶ (apply:) build beside the store ─▶ swap in, the former state kept ─▶ verify again.
 *
 * Queues, index, tables and checkpoint are built whole in <store>/repair.building and put in place by renames; the log is only
 * cut behind its end. The store's lock is held from before the first look to after the last, so that no broker starts meanwhile.
 * Killed at any moment: the store can be repaired again, or given back as it was (backup.ts).
 *
 * Blocks on: the disk. Throws StoreError STORE_IN_USE, DISK_FULL; ConfigError for a backup's folder that cannot be.
 */
import { closeSync, existsSync, mkdirSync, rmSync, statfsSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { describe, StoreError } from '../../errors.ts'
import { failpoint } from '../../faults.ts'
import { FOLDERS } from '../../store/settings.ts'
import { lockStore } from '../../store/store-folder.ts'
import { logBounds } from '../log-end.ts'
import { type InspectedStore, type OpenOptions, openStore } from '../open-store.ts'
import { deletedTopics, readTables, topicRows } from '../tables.ts'
import { tryRead } from '../try-read.ts'
import { type Verification, type VerifyOptions, verifyStore } from '../verify/verify.ts'
import { Backup, bytesOf, checkBackup, type Step, syncTree, undoRepair } from './backup.ts'
import { type PlanOptions, planRepair, type RepairPlan } from './plan.ts'
import { type Rebuilt, rebuild } from './rebuild.ts'
import { salvage } from './salvage.ts'
import { checkpointOf, type MadeFile, offsetsWithin, tableFromBak } from './tables.ts'

export interface RepairOptions extends PlanOptions, VerifyOptions {
  /** Where the former state is kept; by default beside the store. */
  backup?: string | undefined
}

/** What the plan says of room. */
export interface Room {
  backup: string
  /** Bytes to be built in the store, and to be copied into the backup (on its own file system, or of the log). */
  built: number
  copied: number
  /** Moved by renames: takes none. */
  moved: number
  free: number
}

export interface Planned {
  store: InspectedStore
  verification: Verification
  plan: RepairPlan
  room: Room
}

export interface Repaired {
  /** One line each: what was done. */
  done: string[]
  /** What could not be done, in words. */
  notDone: string[]
  /** What no repair can give back, though nothing in the store speaks of it any more. */
  lost: string[]
  backup: string | undefined
  verification: Verification
}

const BUILDING = 'repair.building'
const FREE = { isInUse: false, pid: undefined, program: undefined, evidence: 'this repair holds its lock' }

/** Without a lock, of a store that nobody uses. */
export async function planOnly(root: string, open: OpenOptions, options: RepairOptions = {}): Promise<Planned> {
  const store = openStore(root, open)
  if (store.use.isInUse) throw inUse(store)
  return planned(store, options)
}

/** `onPlan` is told the plan before anything is done. */
export async function repairStore(
  root: string,
  open: OpenOptions,
  options: RepairOptions,
  onPlan: (planned: Planned) => void,
): Promise<Repaired> {
  // A folder that is no store gets no lock file.
  openStore(root, open)
  const lock = lockStore(resolve(root))
  try {
    rmSync(join(root, BUILDING), { recursive: true, force: true })
    const first = await planned(locked(root, open), options)
    onPlan(first)
    const repair = new Repair(first, open, options)
    try {
      return await repair.run()
    } catch (error) {
      throw repair.failure(error)
    }
  } finally {
    rmSync(join(root, BUILDING), { recursive: true, force: true })
    closeSync(lock)
  }
}

/** Gives the store back as it was before a repair. */
export function undo(root: string, backup: string, open: OpenOptions): ReturnType<typeof undoRepair> {
  const lock = lockStore(resolve(root))
  try {
    rmSync(join(root, BUILDING), { recursive: true, force: true })
    return undoRepair(backup, resolve(root), logBounds(locked(root, open), false).end)
  } finally {
    closeSync(lock)
  }
}

/** The lock is ours: nobody uses it. */
function locked(root: string, open: OpenOptions): InspectedStore {
  return { ...openStore(root, open), use: FREE }
}

async function planned(store: InspectedStore, options: RepairOptions): Promise<Planned> {
  const verification = await verifyStore(store, options)
  const plan = planRepair(store, verification, options)
  return { store, verification, plan, room: roomFor(store, verification, plan, options.backup) }
}

function roomFor(store: InspectedStore, verification: Verification, plan: RepairPlan, given: string | undefined): Room {
  const backup = given === undefined ? defaultBackup(store.root) : resolve(given)
  const { settings } = store
  const queueBytes = plan.queues.length * 2 * settings.mappedFileSizeConsumeQueue + verification.recordCount * 20
  const keys = Math.max(verification.indexCount, verification.recordCount)
  const indexFiles = Math.ceil(keys / Math.max(1, settings.maxIndexNum)) + 1
  const indexBytes = plan.wantsIndex ? indexFiles * (40 + settings.maxHashSlotNum * 4) + keys * 20 : 0
  const leaving = [
    ...plan.removed,
    ...queueFolders(store, plan),
    ...(plan.wantsIndex ? [join(store.root, FOLDERS.index)] : []),
  ]
  const moved = leaving.reduce((sum, path) => sum + (tryRead(() => bytesOf(path)) ?? 0), 0)
  const above = firstExisting(dirname(backup))
  const isSame = tryRead(() => deviceOf(above) === deviceOf(store.root)) === true
  const cut = plan.cut === undefined ? 0 : plan.cut.to - plan.cut.from
  const status = tryRead(() => statfsSync(store.root))
  const free = status === undefined ? Number.POSITIVE_INFINITY : status.bavail * status.bsize
  const built = (plan.queues.length > 0 ? queueBytes : 0) + indexBytes
  return { backup, built, copied: cut + (isSame ? 0 : moved), moved: isSame ? moved : 0, free }
}

class Repair {
  private readonly planned: Planned
  private readonly open: OpenOptions
  private readonly options: RepairOptions
  private readonly building: string
  private readonly done: string[] = []
  private readonly notDone: string[] = []
  private backup: Backup | undefined

  constructor(planned: Planned, open: OpenOptions, options: RepairOptions) {
    this.planned = planned
    this.open = open
    this.options = options
    this.building = join(planned.store.root, BUILDING)
  }

  async run(): Promise<Repaired> {
    const { store, plan } = this.planned
    if (plan.actions.length === 0) return this.result(this.planned.verification)
    this.checkRoom()
    checkBackup(this.planned.room.backup, store.root, this.planned.verification.log.end)
    this.first(store, plan)
    let verification = await verifyStore(locked(store.root, this.open), this.options)
    // Of queues that were built the ends are known now.
    const beyond = verification.findings.some(({ code }) => code === 'OFFSET_BEYOND')
    if (plan.wantsOffsets && beyond) {
      const files = offsetsWithin(locked(store.root, this.open), this.building, verification.log.end)
      this.swap(files.map((file) => ({ ...file, what: `offsets: ${file.changes.join('; ')}` })))
      if (files.length > 0) verification = await verifyStore(locked(store.root, this.open), this.options)
    }
    return this.result(verification)
  }

  /** All but the offsets. What is built is built before the first byte of the store changes. */
  private first(store: InspectedStore, plan: RepairPlan): void {
    const { verification } = this.planned
    mkdirSync(this.building, { recursive: true })
    const wanted: (MadeFile & { what: string })[] = []
    let built: Rebuilt | undefined
    if (plan.queues.length > 0 || plan.wantsIndex) {
      built = this.build(store, plan)
      wanted.push(...this.queuesOf(store, plan, built))
    }
    if (plan.wantsIndex) {
      const path = join(store.root, FOLDERS.index)
      const made = join(this.building, FOLDERS.index)
      mkdirSync(made, { recursive: true })
      wanted.push({ path, made, changes: [], what: `index: ${built?.indexFiles.length ?? 0} files built` })
    }
    for (const { path, bak } of plan.tables)
      wanted.push({ ...tableFromBak(this.building, path, bak), what: `tables: ${basename(path)} from its .bak` })
    if (plan.wantsCheckpoint) {
      const indexFiles = plan.wantsIndex ? (built?.indexFiles ?? []) : store.files.indexFiles.map(({ path }) => path)
      const file = checkpointOf(store, this.building, verification.log, indexFiles, plan.allQueues)
      wanted.push({ ...file, what: `checkpoint: ${file.changes.join()}` })
    }
    syncTree(this.building)
    failpoint('repair-built')
    this.removeAndCut(plan)
    this.swap(wanted)
  }

  private build(store: InspectedStore, plan: RepairPlan): Rebuilt {
    const names = new Set(plan.queues.map(({ topic, queueId }) => `${topic}/${queueId}`))
    const topics = topicRows(readTables(store.root))
    const isKnown = (topic: string) =>
      topics === undefined || topics.has(topic) || /^(%|RMQ_SYS_|SCHEDULE_|TRANS_)/.test(topic)
    const wantsQueue = (topic: string, queueId: number) =>
      names.has(`${topic}/${queueId}`) || (plan.allQueues && isKnown(topic))
    return rebuild({
      store,
      into: this.building,
      wantsQueue,
      wantsIndex: plan.wantsIndex,
      to: plan.builtTo,
      deletedBelow: deletedTopics(store.root),
      onProgress: this.options.onProgress,
    })
  }

  private queuesOf(store: InspectedStore, plan: RepairPlan, built: Rebuilt): (MadeFile & { what: string })[] {
    const wanted: (MadeFile & { what: string })[] = []
    const root = join(store.root, FOLDERS.consumeQueue)
    for (const { topic, queueId } of plan.queues) {
      if (built.queues.has(`${topic}/${queueId}`)) continue
      const kept = salvage(store, this.building, { topic, queueId }, this.planned.verification.log.min)
      if (kept === undefined) {
        this.notDone.push(`${topic}/${queueId} has no files, and the log no record of it`)
        continue
      }
      const what = `queues: ${topic}/${queueId} has no record in the log; what can be right of it is kept, next queue offset ${kept.end}`
      wanted.push({ path: join(root, topic, String(queueId)), made: kept.folder, changes: [], what })
    }
    for (const { topic, queueId, units, end, folder } of built.queues.values()) {
      const what = `queues: ${topic}/${queueId} built, ${units} units, next queue offset ${end}`
      wanted.push({ path: join(root, topic, String(queueId)), made: folder, changes: [], what })
    }
    if (built.misplaced > 0)
      this.notDone.push(`${built.misplaced} records name a queue offset that cannot be: they are in no queue`)
    return wanted
  }

  private removeAndCut({ removed, cut }: RepairPlan): void {
    const present = removed.filter((path) => existsSync(path))
    if (present.length === 0 && cut === undefined) return
    const backup = this.backupOf()
    const going = present.map((path) => ({ kind: 'remove' as const, path }))
    const cutting = cut === undefined ? [] : [{ kind: 'cut' as const, ...cut }]
    for (const step of backup.announce([...going, ...cutting])) {
      if (step.kind === 'cut') backup.cut(step, cut!.fullSize)
      else backup.remove(step)
      const { path, from = 0, to = 0 } = step
      const how = to > from ? `${to - from} bytes cut from byte ${from} on` : 'filled up to its size'
      this.done.push(step.kind === 'cut' ? `tail: ${path} ${how}` : `moved away: ${path}`)
    }
  }

  private swap(wanted: readonly (MadeFile & { what: string })[]): void {
    if (wanted.length === 0) return
    const backup = this.backupOf()
    const steps: Step[] = backup.announce(wanted.map(({ path }) => ({ kind: 'replace', path })))
    for (const [index, { made, what }] of wanted.entries()) {
      backup.replace(steps[index], made)
      this.done.push(what)
    }
  }

  private backupOf(): Backup {
    const { room, store, verification } = this.planned
    this.backup ??= new Backup(room.backup, store.root, verification.log.end)
    return this.backup
  }

  private checkRoom(): void {
    const { room, store } = this.planned
    const status = tryRead(() => statfsSync(firstExisting(room.backup)))
    const freeThere = status === undefined ? Number.POSITIVE_INFINITY : status.bavail * status.bsize
    if (
      room.built <= room.free &&
      room.copied <= freeThere &&
      room.built + (room.moved > 0 ? room.copied : 0) <= room.free
    )
      return
    throw new StoreError('DISK_FULL', {
      what: `no room for the repair: ${room.built} bytes to build of ${room.free} free, ${room.copied} to copy of ${freeThere} free`,
      where: store.root,
      todo: 'make room, or give --backup on another file system, or mend part by part with --only',
    })
  }

  /** What the store is in then, and what can be done. */
  failure(error: unknown): unknown {
    const { backup, planned } = this
    if (backup === undefined) return error
    return new StoreError('REPAIR_FAILED', {
      what: `the repair ended in the middle: ${describe(error)}`,
      where: planned.store.root,
      todo: `run the same command again, or give the former state back with --undo ${backup.folder}`,
      cause: error,
    })
  }

  private result(verification: Verification): Repaired {
    const { done, notDone, backup } = this
    const lost = this.planned.plan.left.filter(({ code }) => code === 'LOG_LOST').map(({ what }) => what)
    backup?.finish()
    return { done, notDone, lost, backup: backup?.folder, verification }
  }
}

function queueFolders(store: InspectedStore, { queues }: RepairPlan): string[] {
  return queues.map(({ topic, queueId }) => join(store.root, FOLDERS.consumeQueue, topic, String(queueId)))
}

function defaultBackup(root: string): string {
  const time = new Date()
    .toISOString()
    .replace(/\.\d+Z$/, '')
    .replace(/[-:]/g, '')
    .replace('T', '-')
  for (let number = 1; ; number += 1) {
    const path = join(dirname(root), `${basename(root)}.repair-${time}${number === 1 ? '' : `-${number}`}`)
    if (!existsSync(path)) return path
  }
}

function firstExisting(path: string): string {
  let at = path
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at)
  return at
}

function deviceOf(path: string): number {
  return statSync(path).dev
}

function inUse({ use, root }: InspectedStore): StoreError {
  const who = use.pid === undefined ? '' : `, process ${use.pid}${use.program === undefined ? '' : ` (${use.program})`}`
  return new StoreError('STORE_IN_USE', {
    what: `the store is used by a broker${who}: ${use.evidence}`,
    where: root,
    todo: 'stop that broker; a store in use is never repaired',
  })
}
