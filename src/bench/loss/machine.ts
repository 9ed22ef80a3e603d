/** What a result says of the machine it was measured on. */
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem, type } from 'node:os'
import { resolve } from 'node:path'
import type { Machine } from '../results.ts'

const GIB = 1024 ** 3

/** `folder`: where the stores are. */
export function machineOf(folder: string, basalt: string): Machine {
  return {
    date: new Date().toISOString(),
    node: process.versions.node,
    basalt,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round((totalmem() / GIB) * 10) / 10,
    system: `${type()} ${release()}`,
    fileSystem: fileSystemOf(folder),
  }
}

/** By the longest mount point above it. */
function fileSystemOf(folder: string): string {
  const path = resolve(folder)
  let [longest, kind] = [-1, 'unknown']
  for (const line of mounts()) {
    const [, point, type] = line.split(' ')
    const isAbove = path === point || path.startsWith(point === '/' ? '/' : `${point}/`)
    if (isAbove && point.length >= longest) [longest, kind] = [point.length, type]
  }
  return kind
}

function mounts(): string[] {
  try {
    return readFileSync('/proc/self/mounts', 'utf8').trimEnd().split('\n')
  } catch {
    return []
  }
}
