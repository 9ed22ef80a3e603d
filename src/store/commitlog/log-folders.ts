/**
 * Where the segments of a log are, and how records lie in them. A classic store has one folder. One that was turned into a DLedger
 * store keeps its CommitLog, in its old folder and its old layout, in front of the data files:
 *
 *   storePathClassicCommitLog   classic   [first segment … divide)      expires, is never written again
 *   storePathCommitLog          DLedger   [divide … end)                divide = start of the first data file
 *
 * A store without old segments costs nothing here. Source: spec/dledger.md §1.7. Blocks on: one folder's listing, once.
 */
import { existsSync } from 'node:fs'
import type { StoreSettings } from '../settings.ts'
import { CLASSIC_LAYOUT, type LogLayout, logLayout } from './log-layout.ts'
import { commitLogFolder, listSegments, namesIn, type Segment, segmentPath, segmentStart } from './segments.ts'

/** Without the last two: a classic log. */
export type LogFolderSettings = Pick<StoreSettings, 'storePathCommitLog' | 'mappedFileSizeCommitLog'> &
  Partial<Pick<StoreSettings, 'enableDLegerCommitLog' | 'storePathClassicCommitLog'>>

export class LogFolders {
  /** Of what is written now. */
  readonly folder: string
  readonly layout: LogLayout
  readonly segmentSize: number
  /** Undefined where there never was another log. */
  readonly classicFolder: string | undefined
  private known: number | undefined

  constructor(settings: LogFolderSettings) {
    const { enableDLegerCommitLog = false, storePathClassicCommitLog = '' } = settings
    this.folder = commitLogFolder(settings)
    this.layout = logLayout({ enableDLegerCommitLog })
    this.segmentSize = settings.mappedFileSizeCommitLog
    const classic = commitLogFolder({ storePathCommitLog: storePathClassicCommitLog })
    const hasClassic = enableDLegerCommitLog && classic !== '' && classic !== this.folder && existsSync(classic)
    this.classicFolder = hasClassic ? classic : undefined
  }

  /** Positions below are in the old CommitLog. 0: there is none; Infinity: there is nothing else yet. */
  get divide(): number {
    if (this.classicFolder === undefined) return 0
    if (this.known === undefined) {
      const first = this.firstStart()
      if (first === undefined) return Number.POSITIVE_INFINITY
      this.known = first
    }
    return this.known
  }

  /** By names alone: the files may be in any state. */
  private firstStart(): number | undefined {
    const starts = namesIn(this.folder)
      .filter((name) => /^\d{20}$/.test(name))
      .map(Number)
    return starts.length === 0 ? undefined : Math.min(...starts)
  }

  /** Folder of the segment that holds `offset`, whether it exists or not. */
  folderAt(offset: number): string {
    const { classicFolder } = this
    return classicFolder !== undefined && offset < this.divide ? classicFolder : this.folder
  }

  layoutAt(offset: number): LogLayout {
    return this.classicFolder !== undefined && offset < this.divide ? CLASSIC_LAYOUT : this.layout
  }

  /** Path of the segment that holds `offset`. */
  pathAt(offset: number): string {
    return segmentPath(this.folderAt(offset), segmentStart(offset, this.segmentSize))
  }

  /** Oldest first. */
  segments(): Segment[] {
    return [...this.classicSegments(), ...this.dataSegments()]
  }

  /** Those in the folder that is written to. */
  dataSegments(): Segment[] {
    return listSegments(this.folder, this.segmentSize)
  }

  /** Those in front of the divide. */
  classicSegments(): Segment[] {
    const { classicFolder, segmentSize, divide } = this
    if (classicFolder === undefined) return []
    return listSegments(classicFolder, segmentSize).filter(({ start }) => start < divide)
  }
}
