/** Where a result was measured: every report says it first. */
import { readFileSync, statfsSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { mountOf } from '../native/mounts.ts'
import { PACKAGE } from './broker-node.ts'
import type { Machine } from './results.ts'

/** `folder`: where the stores are, or the nearest folder above them that exists. */
export function machineFacts(folder: string, apache?: { version: string; java: string }): Machine {
  const { version } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')) as { version: string }
  return {
    date: new Date().toISOString(),
    node: process.version,
    basalt: version,
    ...(apache === undefined ? {} : { apache: apache.version, java: apache.java }),
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    fileSystem: fileSystemOf(folder),
  }
}

/** "ext4", "xfs", "tmpfs": of the mount that holds the folder. */
export function fileSystemOf(folder: string): string {
  return mountOf(folder)?.type ?? 'unknown'
}

export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}
