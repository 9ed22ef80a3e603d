/**
 * Ends a queue where its units begin to be doubtful, after a power cut.
 *
 *   ok ok ok │ ok ? 0 ? ok ok      each sector of what was not synced may be there or not, so that units may be there whose
 *       kept │ zeroed              records are not (they point into what recovery put in their place), and torn ones point anywhere
 *
 * From the first unit on that no mark proves, or that cannot be right, all go: dispatch puts the right ones again, and blanks
 * for records that were lost.
 * Called by: recover-queues.ts, after an unclean stop.
 */
import type { StoreDisk } from '../disk.ts'
import type { QueueFile } from './queue-files.ts'
import { UNIT_SIZE } from './unit.ts'
import { type QueueHole, type QueueWalk, walkQueue } from './walk-queue.ts'

export interface CutOptions {
  folder: string
  fileSize: number
  /** Of the newest files, so many are looked at first. */
  filesWalked: number
  /** Units of records below are in their files. */
  provenEnd: number
  /** Dispatch goes on here, at most at provenEnd. */
  resumeFrom: number
  disk: StoreDisk
}

/** The queue's end, and a bound of where its records end; undefined when nothing is doubtful. */
export function cutUnproven(options: CutOptions): { end: number; maxPhysical: number } | undefined {
  const { folder, fileSize, provenEnd, resumeFrom, disk } = options
  let walk: QueueWalk
  let end: number
  // A torn unit may look right, and older files may still be doubtful.
  for (let count = options.filesWalked; ; count *= 2) {
    walk = walkQueue(folder, fileSize, provenEnd, count, disk)
    const wrong = walk.holes.map((hole) => wrongFrom(hole, resumeFrom))
    end = Math.min(walk.end, ...walk.beyond.map(({ from }) => from), ...wrong)
    const oldest = walk.files[Math.max(0, walk.files.length - count)]
    if (count >= walk.files.length || end * UNIT_SIZE > oldest.start) break
  }
  if (walk.beyond.length === 0 && walk.holes.length === 0) return undefined
  endFilesAt(disk, walk, fileSize, end)
  // Units that are kept may point above where dispatch begins: no record from there on counts as present.
  return { end, maxPhysical: Math.min(walk.maxPhysical, resumeFrom) }
}

/** Of two units that contradict each other the first is right if dispatch does not come back to its record. */
function wrongFrom({ from, to, logFrom }: QueueHole, resumeFrom: number): number {
  return logFrom >= resumeFrom ? from : to - 1
}

/** Zeros from unit `end` to the last one that was written, and no files that hold nothing else. */
function endFilesAt(disk: StoreDisk, walk: QueueWalk, fileSize: number, end: number): void {
  const from = end * UNIT_SIZE
  const to = Math.max(walk.end, walk.beyond.at(-1)?.to ?? 0) * UNIT_SIZE
  for (const file of walk.files) {
    if (file.start >= from && file !== walk.files[0]) disk.unlink(file.path)
    else zero(disk, file, Math.max(from, file.start), Math.min(to, file.start + fileSize))
  }
}

/** Bytes [from, to) of the queue, as far as they lie in the file. */
function zero(disk: StoreDisk, { path, start }: QueueFile, from: number, to: number): void {
  if (from >= to) return
  const fd = disk.open(path, 'r+')
  try {
    disk.write(fd, Buffer.alloc(to - from), 0, to - from, from - start)
  } finally {
    disk.close(fd)
  }
}
