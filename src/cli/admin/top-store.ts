/**
 * A store's positions, while its broker runs, hangs or is dead: <store>/basalt/positions is refreshed ten times a second
 * by the broker's housekeeping thread, and every five seconds while nothing moves.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { AdminError } from '../../admin/index.ts'
import { isRunning } from '../../store/checkpoint/is-running.ts'
import { POSITIONS_IDLE_MS, PositionsFile } from '../../store/checkpoint/positions-file.ts'
import type { PositionsSlot } from '../../store/checkpoint/positions-slot.ts'
import { bytesText, durationText, rateText, timeText } from './format.ts'
import { facts } from './table.ts'

export interface StoreLook {
  folder: string
  at: number
  positions: Omit<PositionsSlot, 'inode' | 'birthTime' | 'bootId'>
  /** live, durable, none: as recovery would trust it. */
  trust: string
  process: 'runs' | 'is gone' | 'stopped cleanly'
  ageMs: number
}

export function lookAtStore(given: string, cwd: string, now: number): StoreLook {
  const folder = resolve(cwd, given)
  const file = new PositionsFile(folder)
  const found = existsSync(file.path) ? file.read() : undefined
  if (found === undefined) {
    throw new AdminError('NO_POSITIONS', {
      what: 'no positions are there',
      where: file.path,
      todo: "give the folder storePathRootDir of one of our brokers; Apache's keep none",
    })
  }
  const { inode: _i, birthTime: _b, bootId: _o, ...positions } = found.slot
  const isAlive = found.trust === 'live' && isRunning(positions.pid)
  return {
    folder,
    at: now,
    positions,
    trust: found.trust,
    process: positions.isClean ? 'stopped cleanly' : isAlive ? 'runs' : 'is gone',
    ageMs: Math.max(0, now - positions.writtenAt),
  }
}

const LATE_MS = POSITIONS_IDLE_MS + 2000

export function storeText(seen: StoreLook, before: StoreLook | undefined): string {
  const { positions: p, process: state, ageMs } = seen
  const seconds = before === undefined ? 0 : (seen.at - before.at) / 1000
  const rate = (name: 'appended' | 'flushed' | 'dispatched' | 'replicated') =>
    before === undefined || seconds <= 0 ? '' : `  ${rateText((p[name] - before.positions[name]) / seconds)} B/s`
  const head = facts([
    ['store', seen.folder],
    ['process', `${p.pid} ${state}`],
    ['written', `${timeText(p.writtenAt)}, ${durationText(ageMs)} ago`],
    ['trust', seen.trust],
  ])
  const rows = facts([
    ['appended', `${p.appended}${rate('appended')}`],
    ['flushed', `${p.flushed}  ${bytesText(p.appended - p.flushed)} behind${rate('flushed')}`],
    ['dispatched', `${p.dispatched}  ${bytesText(p.appended - p.dispatched)} behind${rate('dispatched')}`],
    ['replicated', `${p.replicated}  ${bytesText(Math.max(0, p.appended - p.replicated))} behind${rate('replicated')}`],
    ['settled', String(p.settled)],
    ['retained', String(p.retained)],
    ['allocated', `${p.allocated}  room for ${bytesText(Math.max(0, p.allocated - p.appended))}`],
  ])
  return `${head}\n${rows}\n${verdicts(seen, before)
    .map((line) => `- ${line}\n`)
    .join('')}`
}

/** What the numbers say of a broker that does not answer. */
export function verdicts({ positions: p, process: state, ageMs }: StoreLook, before?: StoreLook): string[] {
  const list: string[] = []
  if (state === 'stopped cleanly') return ['it was stopped cleanly: nothing is open']
  if (state === 'is gone')
    list.push(
      'its process is gone: the next start recovers; what was appended is there unless the machine went down, too',
    )
  else if (ageMs > LATE_MS)
    list.push(
      `its process is there, but has not written for ${durationText(ageMs)}: it is stopped (SIGSTOP), swapped out, or its housekeeping thread hangs`,
    )
  else list.push('its process is there and writes its positions')
  if (p.allocated - p.appended <= 0) list.push('append waits for a segment: the disk is full or slow')
  if (p.appended > p.flushed) list.push(`${bytesText(p.appended - p.flushed)} would be lost by a power cut now`)
  const wasOpen = before !== undefined && before.positions.appended > before.positions.flushed
  if (wasOpen && p.flushed === before.positions.flushed) {
    list.push('flush stands still: fdatasync does not return (the disk)')
  }
  if (before !== undefined && p.dispatched < p.appended && p.dispatched === before.positions.dispatched) {
    list.push('dispatch stands still: consumers see nothing new')
  }
  return list
}
