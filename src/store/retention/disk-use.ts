/** How full a file system is, counted as df and RocketMQ do: what root may still use counts as used. */
import { statfsSync } from 'node:fs'

export interface DiskUse {
  path: string
  /** Bytes that the broker may still write. */
  freeBytes: number
  /** Whole percent, rounded up. */
  usedPercent: number
}

export function diskUse(path: string): DiskUse {
  const { bsize, blocks, bfree, bavail } = statfsSync(path)
  const used = blocks - bfree
  const usable = used + bavail
  return { path, freeBytes: bavail * bsize, usedPercent: usable === 0 ? 0 : Math.ceil((used * 100) / usable) }
}

/** `1610612736` → `1.5 GiB`. */
export function bytesSaid(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  let value = bytes
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}
