/**
 * Opens a store for reading: its files, the sizes they were made with, its marks, and whether a broker has it open. Nothing is
 * locked and nothing is written.
 */
import { existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { ConfigError } from '../errors.ts'
import {
  type Checkpoint,
  CheckpointFile,
  PositionsFile,
  type PositionsSlot,
  type QueuesSnapshot,
  readQueuesSnapshot,
  type Trust,
} from '../store/checkpoint/index.ts'
import { commitLogFolder } from '../store/commitlog/index.ts'
import { namesIn } from '../store/consumequeue/index.ts'
import { FOLDERS, type StoreSettings } from '../store/settings.ts'
import { geometryOf, type InspectSettings } from './geometry.ts'
import { type StoreUse, useOf } from './in-use.ts'
import { deniedOf, refuseUnreadable } from './may-read.ts'
import { type LogPlaces, listStore, type StoreFiles } from './store-files.ts'
import { tryRead } from './try-read.ts'

export interface OpenOptions {
  /** Keys that are known from elsewhere; the sizes of files among them are believed. */
  known?: Partial<StoreSettings>
  /** Whose log, where a store has those of several members of a DLedger group: n0. */
  member?: string | undefined
  now?: number
}

export interface InspectedStore {
  readonly root: string
  readonly settings: InspectSettings
  readonly known: Partial<StoreSettings>
  readonly files: StoreFiles
  /** The last stop was not clean, or the broker still runs: abort is there. */
  readonly isUnclean: boolean
  readonly use: StoreUse
  /** It has a folder of ours. */
  readonly isOurs: boolean
  readonly checkpoint: Checkpoint
  readonly positions: { slot: PositionsSlot; trust: Trust; reason: string | undefined } | undefined
  readonly snapshot: QueuesSnapshot | undefined
}

/** Throws ConfigError NO_STORE; StoreError NOT_READABLE, NO_FILE. */
export function openStore(path: string, options: OpenOptions = {}): InspectedStore {
  try {
    return opened(path, options)
  } catch (error) {
    throw deniedOf(error)
  }
}

function opened(path: string, options: OpenOptions): InspectedStore {
  const root = resolve(path)
  const known = options.known ?? {}
  const places = placesOf(root, known, options.member)
  refuseOther(root, places.logFolder)
  const files = listStore(root, places)
  refuseUnreadable(files)
  // Read before anything else is: what it calls appended is whole in the files from now on.
  const positions = tryRead(() => new PositionsFile(root).read())
  return {
    root,
    known,
    files,
    settings: geometryOf(files, known, positions?.slot.segmentSize),
    isUnclean: existsSync(join(root, 'abort')),
    use: useOf(root, positions?.slot, options.now ?? Date.now()),
    isOurs: existsSync(join(root, FOLDERS.own)),
    checkpoint: tryRead(() => new CheckpointFile(root).read()) ?? NO_TIMES,
    positions,
    snapshot: readQueuesSnapshot(root),
  }
}

const NO_TIMES: Checkpoint = { physicMsgTimestamp: 0, logicsMsgTimestamp: 0, indexMsgTimestamp: 0 }

/** A store with a folder of a member is that member's; an old CommitLog beside it is what it has before its own log. */
function placesOf(root: string, known: Partial<StoreSettings>, wanted: string | undefined): LogPlaces {
  const said = known.storePathCommitLog
  const classic = said === undefined ? join(root, 'commitlog') : resolve(commitLogFolder({ storePathCommitLog: said }))
  const members = known.enableDLegerCommitLog === false && wanted === undefined ? [] : membersIn(root)
  if (members.length === 0 && wanted === undefined) return { logFolder: classic, classicFolder: '', member: undefined }
  const id = wanted ?? (known.dLegerSelfId || undefined) ?? (members.length === 1 ? members[0] : undefined)
  const there = `its members: ${members.join(', ') || 'none'}`
  if (id === undefined)
    throw noStore(
      `this store has logs of several members of a group: ${members.join(', ')}`,
      root,
      'say whose: --member n0',
    )
  const folder = join(root, `dledger-${id}`)
  if (!members.includes(id)) throw noStore(`this store has no log of a member ${id}`, folder, there)
  const own = (known as { storePathDLedgerCommitLog?: string }).storePathDLedgerCommitLog
  const logFolder = own === undefined ? join(folder, 'data') : resolve(commitLogFolder({ storePathCommitLog: own }))
  return { logFolder, classicFolder: isFolder(classic) ? classic : '', member: { id, folder } }
}

function membersIn(root: string): string[] {
  return namesIn(root)
    .filter((name) => /^dledger-./.test(name) && isFolder(join(root, name)))
    .map((name) => name.slice('dledger-'.length))
    .sort()
}

function refuseOther(root: string, logFolder: string): void {
  const status = statSync(root, { throwIfNoEntry: false })
  if (status === undefined) throw noStore('there is no such folder', root, 'give the storePathRootDir of a broker')
  if (!status.isDirectory()) throw noStore('this is a file, not a store', root, 'give the folder that holds commitlog/')
  if (isFolder(logFolder)) return
  const names = namesIn(root)
  const isMember = names.includes('currterm') && names.includes('data')
  const isLog = isMember || names.some((name) => /^\d{20}$/.test(name))
  const todo = isLog ? 'give the folder above this one' : 'give the storePathRootDir of a broker; it holds commitlog/'
  throw noStore('this folder is no store: it has no commitlog/', root, todo)
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

function noStore(what: string, where: string, todo: string): ConfigError {
  return new ConfigError('NO_STORE', { what, where, todo })
}
