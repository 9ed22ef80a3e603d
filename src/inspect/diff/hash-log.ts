/** Hashes of a whole log, a segment at a time: from its side checksums where they hold, else by reading it in threads. */
import { HASHED_BLOCK } from '../../store/checksums/block-hash.ts'
import { runnerOf, threadsFor } from '../verify/runner.ts'
import type { HashedRange, LogSide } from './log-side.ts'
import { bytesOf, type Range } from './ranges.ts'

export interface HashOptions {
  threads?: number | undefined
  onProgress?: (done: number, total: number) => void
}

const BLOCKS_A_TASK = 32

/** Segments that retention takes meanwhile are left out. */
export async function* hashLog(side: LogSide, options: HashOptions = {}): AsyncGenerator<HashedRange> {
  const total = bytesOf(side.ranges)
  const runner = await runnerOf(options.threads ?? threadsFor(total))
  let done = 0
  try {
    for (const { start, size, path } of side.files) {
      const to = start + size
      const known = side.hashed.find((each) => each.start === start && each.to === to)
      if (known !== undefined) yield known
      else {
        const tasks: Promise<(bigint | undefined)[]>[] = []
        for (const blocks of tasksOf(start, to)) {
          const bytes = bytesOf(blocks)
          const hashes = runner.run('hashBlocks', { files: [{ start, size, path }], blocks })
          tasks.push(
            hashes.then((result) => {
              done += bytes
              options.onProgress?.(done, total)
              return result
            }),
          )
        }
        const hashes = (await Promise.all(tasks)).flat()
        if (hashes.every((hash) => hash !== undefined)) yield { start, to, hashes: BigUint64Array.from(hashes) }
      }
    }
  } finally {
    await runner.close()
  }
}

function* tasksOf(start: number, to: number): Generator<Range[]> {
  let blocks: Range[] = []
  for (let from = start; from < to; from += HASHED_BLOCK) {
    blocks.push({ from, to: Math.min(from + HASHED_BLOCK, to) })
    if (blocks.length < BLOCKS_A_TASK) continue
    yield blocks
    blocks = []
  }
  if (blocks.length > 0) yield blocks
}
