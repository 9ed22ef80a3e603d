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
import { listStore, type StoreFiles } from './store-files.ts'
import { tryRead } from './try-read.ts'

export interface OpenOptions {
  /** Keys that are known from elsewhere; the sizes of files among them are believed. */
  known?: Partial<StoreSettings>
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
  const logFolder = known.storePathCommitLog === undefined ? join(root, 'commitlog') : commitLogOf(known)
  refuseOther(root, logFolder)
  const files = listStore(root, logFolder)
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

function commitLogOf(known: Partial<StoreSettings>): string {
  return resolve(commitLogFolder({ storePathCommitLog: known.storePathCommitLog ?? '' }))
}

function refuseOther(root: string, logFolder: string): void {
  const status = statSync(root, { throwIfNoEntry: false })
  if (status === undefined) throw noStore('there is no such folder', root, 'give the storePathRootDir of a broker')
  if (!status.isDirectory()) throw noStore('this is a file, not a store', root, 'give the folder that holds commitlog/')
  if (isFolder(logFolder)) return
  const names = namesIn(root)
  if (names.some((name) => name.startsWith('dledger-')))
    throw noStore('this is a store in DLedger mode, whose log has another format', root, 'inspect a classic store')
  const isLog = names.some((name) => /^\d{20}$/.test(name))
  const todo = isLog ? 'give the folder above this one' : 'give the storePathRootDir of a broker; it holds commitlog/'
  throw noStore('this folder is no store: it has no commitlog/', root, todo)
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

function noStore(what: string, where: string, todo: string): ConfigError {
  return new ConfigError('NO_STORE', { what, where, todo })
}
