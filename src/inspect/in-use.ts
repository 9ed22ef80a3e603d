/**
 * Whether a broker has a store open, without asking for its lock: to take it even for a moment would stop a broker that starts.
 *
 * Linux lists every lock in /proc/locks: that of a JVM with its process, ours (of an open file) without one. Where
 * that cannot be read, or the broker runs in another container, the process in `abort` and the age of basalt/positions say it.
 */
import { readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { PositionsSlot } from '../store/checkpoint/index.ts'
import { tryRead } from './try-read.ts'

export interface StoreUse {
  isInUse: boolean
  /** Of the broker, where the system tells. */
  pid: number | undefined
  program: string | undefined
  /** How it is known. */
  evidence: string
}

/** A broker writes its positions ten times a second. */
const FRESH_MS = 3000

export function useOf(root: string, slot: PositionsSlot | undefined, now: number): StoreUse {
  const lock = statSync(join(root, 'lock'), { throwIfNoEntry: false, bigint: true })
  const holder = lock === undefined ? undefined : lockHolder(lock.ino)
  const abortPid = pidIn(tryRead(() => readFileSync(join(root, 'abort'), 'latin1')) ?? '')
  if (holder !== undefined) {
    const pid = holder > 0 ? holder : (abortPid ?? slot?.pid)
    return { isInUse: true, pid, program: programOf(pid), evidence: 'its lock is held' }
  }
  if (slot !== undefined && !slot.isClean && Math.abs(now - slot.writtenAt) < FRESH_MS) {
    return { isInUse: true, pid: slot.pid, program: programOf(slot.pid), evidence: 'basalt/positions was just written' }
  }
  return { isInUse: false, pid: undefined, program: undefined, evidence: 'its lock is free' }
}

/** Process that holds a lock on the file, -1 for a lock of an open file; undefined when nobody holds one. */
function lockHolder(inode: bigint): number | undefined {
  const text = tryRead(() => readFileSync('/proc/locks', 'latin1'))
  for (const line of text?.split('\n') ?? []) {
    // 1: OFDLCK ADVISORY  WRITE -1 08:01:1234567 0 0; lines with "->" wait for one.
    const match = /^\d+: \S+\s+\S+\s+WRITE\s+(-?\d+) \S+:\S+:(\d+) /.exec(line)
    if (match !== null && BigInt(match[2]) === inode) return Number(match[1])
  }
  return undefined
}

function pidIn(text: string): number | undefined {
  const pid = Number(text.trim())
  return Number.isInteger(pid) && pid > 0 ? pid : undefined
}

function programOf(pid: number | undefined): string | undefined {
  if (pid === undefined) return undefined
  const line = tryRead(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
  const first = line?.split('\0')[0]
  return first === undefined || first === '' ? undefined : basename(first)
}
