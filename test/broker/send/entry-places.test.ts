/** Where the records of a batch are when each is an entry of a DLedger log: against a log that is written one by one. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { entrySteps, recordSizeMax } from '../../../src/broker/send/entry-places.ts'

const FILE = 4096
const HEADER = 48
const BLANK = 8

/** As spec/dledger.md §2.2 has it: an entry goes into the file only if 8 bytes stay behind it. */
function placesByWriting(from: number, sizes: readonly number[]): number[] {
  let end = from
  return sizes.map((size) => {
    const left = FILE - (end % FILE)
    const pos = HEADER + size + BLANK <= left ? end : end + left
    end = pos + HEADER + size
    return pos + HEADER
  })
}

describe('the places of a batch', () => {
  test('property: each record is where the log has it, over any number of files', () => {
    const size = fc.integer({ min: 91, max: FILE - BLANK - HEADER })
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 20 * FILE }),
        fc.array(size, { minLength: 1, maxLength: 60 }),
        (from, sizes) => {
          const places = placesByWriting(from, sizes)
          const steps = entrySteps(places[0], sizes, FILE)
          const found = steps.map((_, i) => steps.slice(0, i).reduce((sum, step) => sum + step, places[0]))
          expect(found).toEqual(places)
        },
      ),
    )
  })

  test('a record that leaves 8 bytes stays in its file, one byte more takes it to the next', () => {
    const first = HEADER
    const fits = FILE - (first + 100) - HEADER - BLANK
    expect(entrySteps(first, [100, fits], FILE)).toEqual([100 + HEADER, fits])
    expect(entrySteps(first, [100, fits + 1], FILE)).toEqual([FILE, fits + 1])
  })
})

test('a record may fill a file, and behind the header of an entry 4 MiB less', () => {
  const mappedFileSizeCommitLog = 1024 * 1024 * 1024
  expect(recordSizeMax({ mappedFileSizeCommitLog })).toBe(mappedFileSizeCommitLog - 8)
  expect(recordSizeMax({ mappedFileSizeCommitLog, enableDLegerCommitLog: true })).toBe(4 * 1024 * 1024 - 48)
  expect(recordSizeMax({ mappedFileSizeCommitLog: FILE, enableDLegerCommitLog: true })).toBe(FILE - 8 - 48)
})
