/**
 * Where records are in the log of each mode: how large one may be, and where those of a batch begin.
 *
 *   plain      record record record                   a batch goes into one file, its records end to end
 *   DLedger    [48 record] [48 record] │ [48 record]  each record is an entry, and the file may end between two
 *
 * Rules: spec/dledger.md §1.4 and §2.2.
 */
import { DLEDGER_LAYOUT } from '../../store/commitlog/log-layout.ts'
import { BLANK_SIZE } from '../../store/commitlog/record.ts'

export interface PlaceSettings {
  readonly mappedFileSizeCommitLog: number
  readonly enableDLegerCommitLog?: boolean
}

const { headerSize } = DLEDGER_LAYOUT
/** Members of the JVM have a buffer of this size for an entry. */
const ENTRY_MAX = 4 * 1024 * 1024

/** Largest record that one file can hold. */
export function recordSizeMax({ mappedFileSizeCommitLog, enableDLegerCommitLog }: PlaceSettings): number {
  const most = mappedFileSizeCommitLog - BLANK_SIZE
  return enableDLegerCommitLog ? Math.min(most, ENTRY_MAX) - headerSize : most
}

/**
 * From the start of each record of a batch to the start of the next, where each is an entry. `first`: where the first one starts.
 * The last one's is its size.
 */
export function entrySteps(first: number, sizes: readonly number[], fileSize: number): number[] {
  let start = first
  return sizes.map((size, i) => {
    if (i === sizes.length - 1) return size
    const end = start + size
    const left = fileSize - (end % fileSize)
    const fits = DLEDGER_LAYOUT.fits(headerSize + sizes[i + 1], left)
    const next = (fits ? end : end + left) + headerSize
    const step = next - start
    start = next
    return step
  })
}
