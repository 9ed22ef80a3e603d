/**
 * Where a broker's memory is, in numbers that do not hide each other. "Used" alone grows with the data: pages of mapped files
 * count as resident while the page cache has room for them, and belong to nobody who could run out of them.
 *
 *   mapped          files of the store that are mapped now: address space, no memory
 *   resident        all pages in memory = private + resident_files (+ shared)
 *   resident_files  of them pages of files: the kernel takes them back when it needs room
 *   private         of them the process's own: heaps, rings, stacks. What a memory limit ends a process for
 *   page_tables     what the kernel keeps for all this: 8 bytes a mapped page
 *   heap_used       of `private` the network thread's JavaScript objects
 *
 * Blocks on: nothing; /proc is memory. Elsewhere than on Linux only `resident` and the heap are known.
 */
import { readFileSync } from 'node:fs'

const STATUS: Record<string, string> = {
  VmRSS: 'resident',
  RssFile: 'resident_files',
  RssAnon: 'private',
  VmPTE: 'page_tables',
}
const KIB = 1024
/** address range, permissions, offset, device, inode, path */
const MAP = /^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+ +(\/.*)$/gm

/** Bytes by name. `folders`: absolute paths, without links, whose files count as mapped. */
export function memoryUse(folders: readonly string[]): Record<string, number> {
  const { rss, heapUsed, heapTotal } = process.memoryUsage()
  const use: Record<string, number> = { resident: rss, heap_used: heapUsed, heap_size: heapTotal }
  try {
    for (const line of readFileSync('/proc/self/status', 'utf8').split('\n')) {
      const [key, value = ''] = line.split(':')
      if (STATUS[key] !== undefined) use[STATUS[key]] = Number.parseInt(value, 10) * KIB
    }
    use.mapped = mappedBytes(readFileSync('/proc/self/maps', 'utf8'), folders)
  } catch {
    // No Linux, or no /proc in its container.
  }
  return use
}

export function mappedBytes(maps: string, folders: readonly string[]): number {
  let bytes = 0
  for (const [, from, to, path] of maps.matchAll(MAP)) {
    if (folders.some((folder) => path.startsWith(`${folder}/`)))
      bytes += Number.parseInt(to, 16) - Number.parseInt(from, 16)
  }
  return bytes
}
