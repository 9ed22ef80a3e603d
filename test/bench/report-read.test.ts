/** Files that a report is made of: read as they were written, or refused with what is wrong, where, and what to do. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { readModesResult, readResult } from '../../src/bench/report/index.ts'
import { BOTH, lossResult, modesResult } from './report-fixture.ts'

describe('a file', () => {
  function written(content: unknown): string {
    const folder = mkdtempSync(join(tmpdir(), 'basalt-result-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, 'result.json')
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
    return file
  }
  const modes = modesResult({ depths: [1], modes: [BOTH] })
  const [cell] = modes.cells
  const [round] = cell.rounds

  test('that a benchmark wrote is read as it was', () => {
    expect(readResult(written(modes))).toEqual(JSON.parse(JSON.stringify(modes)))
    expect(readResult(written(lossResult()))).toEqual(lossResult())
  })

  test.each([
    [
      'of another version',
      { ...modes, version: 2 },
      /its version is 2, this build reads 1 .*read it with the build that wrote it/,
    ],
    ['that is no result', { hello: 1 }, /the file\.kind is not one of modes, loss/],
    ['that is a list', [], /the file is not an object/],
    ['that was cut off', JSON.stringify(modes).slice(0, 1000), /not JSON: .*was it cut off/],
    ['that is empty', '', /not JSON/],
    ['without its machine', { ...modes, machine: undefined }, /machine is not an object/],
    [
      'with a mode that is none',
      { ...modes, cells: [{ ...cell, key: { ...cell.key, mode: { flush: 'NO', replication: 'none' } } }] },
      /cells\[0\]\.key\.mode\.flush is not one of ASYNC_FLUSH, SYNC_FLUSH/,
    ],
    [
      'with a broken histogram',
      {
        ...modes,
        cells: [
          {
            ...cell,
            rounds: [
              round,
              {
                ...round,
                latency: [
                  [5, 1],
                  [4, 1],
                ],
              },
            ],
          },
        ],
      },
      /cells\[0\]\.rounds\[1\]\.latency is not a list of \[edge, count\] with rising edges/,
    ],
    [
      'with a rate that is no number',
      { ...modes, cells: [{ ...cell, rounds: [{ ...round, ratePerSecond: null }] }] },
      /rounds\[0\]\.ratePerSecond is not a number from 0 on/,
    ],
    [
      'with a step that nobody knows',
      { ...modes, cells: [{ ...cell, waterfall: [{ step: 'x', count: 1, p50Us: 1, p99Us: 1 }] }] },
      /waterfall\[0\]\.step is not one of claimed/,
    ],
  ])('%s is refused with what is wrong and where', (_, content, message) => {
    const file = written(content)
    expect(() => readResult(file)).toThrow(message)
    expect(() => readResult(file)).toThrow(file)
  })

  test('that is not there, and a result of another kind', () => {
    expect(() => readResult('/nowhere/at/all.json')).toThrow(/cannot be read: ENOENT/)
    expect(() => readModesResult(written(lossResult()))).toThrow(/it is of "bench loss"/)
  })
})
