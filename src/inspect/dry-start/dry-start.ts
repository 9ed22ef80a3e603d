/**
 * What a start of our broker would do to a store: its own recovery, rehearsed (store/recovery/rehearse.ts), its own reading of the
 * tables, and what would stop it. Writes nothing and takes no lock.
 *
 * Of a member of a DLedger group it is the start up to where its group is asked: what others have and it lacks comes then, and what
 * they do not have behind what is committed goes.
 */
import { closeSync, fstatSync, openSync, readSync, statfsSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { type RecoveredDLedgerLog, recoverDLedgerLog } from '../../dledger/index.ts'
import { BasaltError, describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { nextData } from '../../native/index.ts'
import { commitLogFolder } from '../../store/commitlog/index.ts'
import { MetadataFile, metadataPath } from '../../store/metadata/index.ts'
import {
  type DryChange,
  type Rehearsal,
  rehearseStart,
  type Finding as StartFinding,
} from '../../store/recovery/index.ts'
import { FOLDERS, type StoreSettings } from '../../store/settings.ts'
import type { StoreUse } from '../in-use.ts'
import type { InspectedStore } from '../open-store.ts'
import { TABLES } from '../tables.ts'
import { tryRead } from '../try-read.ts'

/** Of a start that fails. */
const EXIT_FAILURE = 1
/** A broker makes so many segments ahead. */
const SEGMENTS_AHEAD = 2

export interface Refusal {
  code: string
  what: string
  where: string | undefined
  todo: string | undefined
  /** What `basaltmq broker` would end with. */
  exitStatus: number
}

export interface DryStart {
  root: string
  /** `as it is`: nothing is cut, mended or lost. */
  verdict: 'as it is' | 'mended' | 'refused'
  refusal: Refusal | undefined
  use: StoreUse
  isUnclean: boolean
  marks: MarksSaid
  scan:
    | { from: number; to: number; because: string; recordCount: number; rewrittenBytes: number; ms: number }
    | undefined
  log: { min: number; end: number } | undefined
  /** Of a DLedger log: up to `committed` (a physical offset) the member knows that it stays. */
  entries: { beginIndex: number; endIndex: number; endTerm: number; committed: number; divide: number } | undefined
  /** Bytes behind the last record that would go, with files that hold nothing else. */
  cut: { file: string; offset: number; bytes: number }[]
  /** Of the log: what was damaged, and what becomes of it. */
  findings: StartFinding[]
  /** Below it queues and index are whole; from there on the log is dispatched (again). */
  dispatch: { from: number; bytes: number } | undefined
  /** Units that would be built, by queue: [from, to). */
  queues: { topic: string; queueId: number; from: number; to: number }[]
  /** What recovery would tell of queues, index and marks. */
  messages: { what: string; fields: Record<string, unknown> | undefined }[]
  /** Tables that would be taken from their .bak. */
  tables: { file: string; problem: string }[]
  /** Files that would not be as they are, of those that recovery touches; what is dispatched comes after that. */
  changes: DryChange[]
  disk: { needed: number; ahead: number; free: number }
}

export interface MarksSaid {
  /** What of basalt/positions counts. */
  trust: 'all' | 'what was on disk' | 'nothing'
  why: string
  appended: number | undefined
  flushed: number | undefined
  dispatched: number | undefined
  settled: number | undefined
  checkpointTime: number
}

/** `defaults`: a broker's configuration; sizes that the store tells and what the user said go before. */
export function dryStart(store: InspectedStore, defaults: StoreSettings): DryStart {
  const settings = settingsOf(store, defaults)
  const nothing = nothingSaid(store)
  if (store.use.isInUse) return { ...nothing, verdict: 'refused', refusal: inUse(store) }
  const told: { level: string; what: string; fields: Record<string, unknown> | undefined }[] = []
  const note = (level: string) => (what: string, fields?: Record<string, unknown>) =>
    void told.push({ level, what, fields })
  const log: Log = { info: note('info'), warn: note('warn'), error: note('error') }
  let entries: RecoveredDLedgerLog | undefined
  const rehearsal = rehearseStart(settings, log, (disk) =>
    settings.enableDLegerCommitLog
      ? (marks, isClean) => (entries = recoverDLedgerLog(settings, marks, isClean, log, disk))
      : undefined,
  )
  const tables: DryStart['tables'] = []
  const tableRefusal = rehearsal.error === undefined ? readTables(settings, tables) : undefined
  const disk = diskOf(settings, rehearsal)
  const refusal = refusalOf(rehearsal.error) ?? tableRefusal ?? noRoom(store, disk)
  const changes = rehearsal.disk.changes()
  const messages = told.filter(({ level, what }) => level !== 'info' && !what.startsWith('recovery: '))
  const said = { ...nothing, refusal, tables, disk, changes, marks: marksOf(store, rehearsal), messages }
  const { recovered } = rehearsal
  if (recovered === undefined) return { ...said, verdict: 'refused' }
  const { min, end, readFrom, readBy, recordCount, rewrittenBytes, dispatchFrom } = recovered
  const findings = recovered.logFindings
  const queues = recovered.queues
    .filter(({ end, nextOffset }) => nextOffset > end)
    .map(({ topic, queueId, end, nextOffset }) => ({ topic, queueId, from: end, to: nextOffset }))
  const cut = entries === undefined ? cutOf(settings, changes, findings, end) : cutOfMember(settings, changes)
  const isMended = [findings, messages, queues, tables, cut].some(({ length }) => length > 0)
  return {
    ...said,
    verdict: refusal !== undefined ? 'refused' : isMended ? 'mended' : 'as it is',
    scan: { from: readFrom, to: end, because: BECAUSE[readBy], recordCount, rewrittenBytes, ms: rehearsal.ms },
    log: { min, end },
    entries: entries && entriesOf(entries),
    cut,
    findings,
    dispatch: { from: dispatchFrom, bytes: end - dispatchFrom },
    queues: queues.sort((a, b) => (a.topic === b.topic ? a.queueId - b.queueId : a.topic < b.topic ? -1 : 1)),
  }
}

const BECAUSE: Record<NonNullable<Rehearsal['recovered']>['readBy'], string> = {
  appended: 'the mark “appended”: the log was whole below it',
  flushed: 'the mark “flushed”: the log was on disk below it',
  'clean stop': 'a clean stop: the last three segments are looked at',
  checkpoint: 'the checkpoint: the newest segment that began 3 s before it',
  oldest: 'nothing that says more: all of the log is read',
  mended: 'a segment that is short',
  entries: 'the entry index: the last three data files are looked at, more where it does not agree',
}

function settingsOf(store: InspectedStore, defaults: StoreSettings): StoreSettings {
  const { root, files, known, settings: own } = store
  const settings: StoreSettings = { ...defaults, ...own, ...known, storePathRootDir: root }
  // What the user says of the log's folder may be a list, of which a broker takes the first.
  settings.storePathCommitLog = own.storePathCommitLog
  settings.enableDLegerCommitLog = files.member !== undefined || known.enableDLegerCommitLog === true
  if (files.member !== undefined) settings.dLegerSelfId = files.member.id
  else if (settings.enableDLegerCommitLog) {
    // A CommitLog that a member is to go on from.
    const { storePathDLedgerCommitLog: data } = known as { storePathDLedgerCommitLog?: string }
    settings.storePathClassicCommitLog = own.storePathCommitLog
    settings.storePathCommitLog = data ?? join(root, `dledger-${settings.dLegerSelfId}`, 'data')
  }
  return settings
}

function entriesOf({ found, committed, divide }: RecoveredDLedgerLog): DryStart['entries'] {
  const { beginIndex, endIndex, endTerm } = found
  return { beginIndex, endIndex, endTerm, committed, divide }
}

function nothingSaid(store: InspectedStore): DryStart {
  return {
    root: store.root,
    verdict: 'as it is',
    refusal: undefined,
    use: store.use,
    isUnclean: store.isUnclean,
    marks: marksOf(store, undefined),
    scan: undefined,
    log: undefined,
    entries: undefined,
    cut: [],
    findings: [],
    dispatch: undefined,
    queues: [],
    messages: [],
    tables: [],
    changes: [],
    disk: { needed: 0, ahead: 0, free: 0 },
  }
}

function marksOf(store: InspectedStore, rehearsal: Rehearsal | undefined): MarksSaid {
  const found = rehearsal?.marks?.found ?? store.positions
  const checkpoint = rehearsal?.marks?.checkpoint ?? store.checkpoint
  const checkpointTime = Math.min(checkpoint.physicMsgTimestamp, checkpoint.logicsMsgTimestamp)
  if (found === undefined) {
    const why = store.isOurs
      ? 'basalt/positions is missing or damaged'
      : 'there is no basalt/positions; another broker wrote the store'
    const none = { appended: undefined, flushed: undefined, dispatched: undefined, settled: undefined }
    return { trust: 'nothing', why, ...none, checkpointTime }
  }
  const { appended, flushed, dispatched, settled } = found.slot
  const places = { appended, flushed, dispatched, settled, checkpointTime }
  const isIgnored = rehearsal?.recovered?.logFindings.some(({ code }) => code === 'MARKS_IGNORED') === true
  if (isIgnored) return { trust: 'nothing', why: 'basalt/positions does not fit the log', ...places }
  if (found.trust === 'live')
    return { trust: 'all', why: 'the same boot and the same file: what the page cache held is there', ...places }
  const why = `${found.reason}${found.trust === 'durable' ? ': what was not synced may be missing' : ''}`
  return { trust: found.trust === 'durable' ? 'what was on disk' : 'nothing', why, ...places }
}

function cutOf(
  settings: StoreSettings,
  changes: readonly DryChange[],
  findings: StartFinding[],
  end: number,
): DryStart['cut'] {
  const folder = commitLogFolder(settings)
  const cut: DryStart['cut'] = []
  for (const { code, where, from, to } of findings) {
    if (code !== 'TAIL_CUT') continue
    const file = where.slice(0, where.lastIndexOf(' byte '))
    cut.push({ file, offset: from - (from - (from % settings.mappedFileSizeCommitLog)), bytes: to - from })
  }
  for (const { path, kind, formerSize } of changes) {
    const isSegment = relative(folder, path).length === 20 && Number(relative(folder, path)) > end
    if (kind === 'removed' && isSegment && holdsBytes(path)) cut.push({ file: path, offset: 0, bytes: formerSize ?? 0 })
  }
  return cut
}

function cutOfMember(settings: StoreSettings, changes: readonly DryChange[]): DryStart['cut'] {
  const folder = commitLogFolder(settings)
  return changes.flatMap(({ path, kind, formerSize, ranges }) => {
    if (dirname(path) !== folder) return []
    if (kind === 'removed' && holdsBytes(path)) return [{ file: path, offset: 0, bytes: formerSize ?? 0 }]
    return ranges.map(({ from, to }) => ({ file: path, offset: from, bytes: to - from }))
  })
}

/** Something else than zeros. */
function holdsBytes(path: string): boolean {
  const bytes = Buffer.alloc(1024 * 1024)
  const fd = openSync(path, 'r')
  try {
    const { size } = fstatSync(fd)
    for (let at = nextData(fd, 0); at < size; at = nextData(fd, at + bytes.length)) {
      if (bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, at)).some((byte) => byte !== 0)) return true
    }
    return false
  } finally {
    closeSync(fd)
  }
}

/** As the broker's tables do it. */
function readTables(settings: StoreSettings, fromBak: DryStart['tables']): Refusal | undefined {
  for (const name of [...TABLES, 'deletedTopics.json']) {
    let problem = ''
    const note = (message: string) => {
      problem = message
    }
    const path = metadataPath(join(settings.storePathRootDir, FOLDERS.config), name)
    try {
      const read = new MetadataFile(path, { info: note, warn: note, error: note }).read()
      if (read?.from === 'bak') fromBak.push({ file: path, problem })
    } catch (error) {
      return refusalOf(error)
    }
  }
  return undefined
}

function diskOf(settings: StoreSettings, { disk, recovered }: Rehearsal): DryStart['disk'] {
  const { mappedFileSizeCommitLog: size } = settings
  const status = tryRead(() => statfsSync(settings.storePathRootDir))
  const free = status === undefined ? Number.POSITIVE_INFINITY : status.bavail * status.bsize
  const missing = recovered === undefined ? 0 : recovered.end + SEGMENTS_AHEAD * size - recovered.allocated
  return { needed: disk.bytesNeeded, ahead: Math.max(0, Math.ceil(missing / size)) * size, free }
}

function noRoom(store: InspectedStore, { needed, free }: DryStart['disk']): Refusal | undefined {
  if (needed <= free) return undefined
  const what = `disk full: recovery needs ${needed} bytes, ${free} are free`
  return { code: 'DISK_FULL', what, where: store.root, todo: 'make room and start again', exitStatus: EXIT_FAILURE }
}

function inUse({ use, root }: InspectedStore): Refusal {
  const who = use.pid === undefined ? '' : `, process ${use.pid}${use.program === undefined ? '' : ` (${use.program})`}`
  return {
    code: 'STORE_IN_USE',
    what: `the store is used by another broker${who}: ${use.evidence}`,
    where: root,
    todo: 'stop that broker, or give this one its own storePathRootDir',
    exitStatus: EXIT_FAILURE,
  }
}

function refusalOf(error: unknown): Refusal | undefined {
  if (error === undefined) return undefined
  if (error instanceof BasaltError) {
    const { code, what, where, todo } = error
    return { code, what, where, todo, exitStatus: EXIT_FAILURE }
  }
  const { code = 'FAILURE', path } = error as NodeJS.ErrnoException
  return {
    code,
    what: describe(error),
    where: path,
    todo: 'check the folder’s owner, permissions and disk',
    exitStatus: EXIT_FAILURE,
  }
}
