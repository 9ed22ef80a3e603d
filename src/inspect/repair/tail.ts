/** What stands behind the last record in its file. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { nextData } from '../../native/index.ts'

const CHUNK = 1024 * 1024

/** Behind the last byte at or above `from` that is not zero; `from` where all are. */
export function lastByteBehind(path: string, from: number): number {
  const bytes = Buffer.alloc(CHUNK)
  const fd = openSync(path, 'r')
  try {
    const { size } = fstatSync(fd)
    let last = from
    for (let at = dataFrom(fd, from); at < size; at = dataFrom(fd, at + CHUNK)) {
      const read = readSync(fd, bytes, 0, CHUNK, at)
      if (read === 0) break
      for (let i = read - 1; i >= 0; i -= 1) {
        if (bytes[i] === 0) continue
        last = at + i + 1
        break
      }
    }
    return last
  } finally {
    closeSync(fd)
  }
}

function dataFrom(fd: number, at: number): number {
  try {
    return nextData(fd, at)
  } catch {
    return at
  }
}
