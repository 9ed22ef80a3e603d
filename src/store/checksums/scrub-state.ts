/**
 * How far the scrubber is, across restarts: `<store>/basalt/scrub.json`. Losing it costs a pass, and that known damage is told
 * again when it is met. Blocks on: the disk.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeDurably } from '../metadata/durable-file.ts'
import { FOLDERS } from '../settings.ts'
import type { Damage } from './scrub-segment.ts'

export interface ScrubState {
  /** Milliseconds since 1970: the last pass began, or, before the first, the first segment was hashed. 0: neither. */
  since: number
  isInPass: boolean
  /** Where in the log the pass is, and the bytes that it has read. */
  position: number
  passBytes: number
  /** The last pass that came to its end; 0: none. */
  lastPassAt: number
  lastPassBytes: number
  damages: Damage[]
}

export function scrubStatePath(root: string): string {
  return join(root, FOLDERS.own, 'scrub.json')
}

/** An empty state where there is none, or none that can be read. */
export function readScrubState(root: string): ScrubState {
  const state: ScrubState = {
    ...{ since: 0, isInPass: false, position: 0, passBytes: 0, lastPassAt: 0, lastPassBytes: 0, damages: [] },
  }
  let found: Record<string, unknown>
  try {
    found = JSON.parse(readFileSync(scrubStatePath(root), 'utf8')) as Record<string, unknown>
    if (typeof found !== 'object' || found === null) return state
  } catch {
    return state
  }
  for (const name of ['since', 'position', 'passBytes', 'lastPassAt', 'lastPassBytes'] as const) {
    const value = found[name]
    if (Number.isSafeInteger(value) && (value as number) >= 0) state[name] = value as number
  }
  state.isInPass = found.isInPass === true
  if (Array.isArray(found.damages)) state.damages = found.damages.filter(isDamage)
  return state
}

/** Throws StoreError. */
export function writeScrubState(root: string, state: ScrubState): void {
  writeDurably(scrubStatePath(root), `${JSON.stringify(state, undefined, 2)}\n`)
}

function isDamage(value: unknown): value is Damage {
  if (typeof value !== 'object' || value === null) return false
  const damage = value as Record<string, unknown>
  const numbers = ['start', 'block', 'from', 'to', 'foundAt', 'hashedAt'].map((name) => damage[name])
  return numbers.every(Number.isSafeInteger) && typeof damage.records === 'string'
}

/** A clock that was set back does not put passes off. */
export function isPassDue(
  { since, isInPass }: { since: number; isInPass: boolean },
  { scrubRate, scrubInterval }: { scrubRate: number; scrubInterval: number },
  now: number,
): boolean {
  if (scrubRate <= 0 || since === 0) return false
  return isInPass || now >= since + scrubInterval || now < since
}
