/** Which mount holds a path, and what kind of file system that is: from Linux' table of mounts; elsewhere nobody knows. */
import { readFileSync, realpathSync } from 'node:fs'

export interface Mount {
  /** "ext4", "xfs", "tmpfs". */
  type: string
  point: string
}

/** Of a path that exists. `mountinfo`: lines of /proc/self/mountinfo. */
export function mountOf(path: string, mountinfo = mountsHere()): Mount | undefined {
  if (mountinfo === undefined) return undefined
  const real = realOf(path)
  let found: Mount | undefined
  for (const line of mountinfo.split('\n')) {
    const [front, back] = line.split(' - ')
    const point = front.split(' ')[4]?.replace(/\\(\d{3})/g, (_, octal: string) => fromOctal(octal))
    const type = back?.split(' ')[0]
    if (point === undefined || type === undefined) continue
    const isAbove = real === point || real.startsWith(point === '/' ? '/' : `${point}/`)
    // The last mount on a point is the one that is seen.
    if (isAbove && point.length >= (found?.point.length ?? 0)) found = { type, point }
  }
  return found
}

function mountsHere(): string | undefined {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8')
  } catch {
    return undefined
  }
}

/** A link leads to another mount than the one it is on. */
function realOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

const fromOctal = (digits: string) => String.fromCharCode(Number.parseInt(digits, 8))
