/** Descriptors that this process has open. */
import { readdirSync, readlinkSync } from 'node:fs'

/** Paths of open files and folders below a folder, in order. */
export function openBelow(folder: string): string[] {
  const paths = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      // The one that the list was read through.
      return ''
    }
  })
  return paths.filter((path) => path.startsWith(folder)).sort()
}
