/** What a store tells of the broker that wrote it, by what lies in it. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { FOLDERS } from '../store/settings.ts'
import type { InspectedStore } from './open-store.ts'
import { tryRead } from './try-read.ts'

/** int64 of 5.x behind the three times of the checkpoint. */
const CHECKPOINT_5X = 24

export function modeHints(store: InspectedStore): string[] {
  const { root, files, positions } = store
  const hints: string[] = []
  const has = (...names: string[]) => existsSync(join(root, ...names))
  const is5x = has('timerwheel') || has('abort.bak') || has('config', 'timercheck') || hasNewCheckpoint(root)
  if (store.isOurs) hints.push('written by Basalt')
  else hints.push(is5x ? 'written by RocketMQ 5.x' : 'written by RocketMQ 4.x')
  if (store.isOurs && is5x) hints.push('was opened by RocketMQ 5.x')
  if (files.queues.some(({ extSizes }) => extSizes.length > 0) || has(FOLDERS.consumeQueueExt))
    hints.push('enableConsumeQueueExt')
  if (has('batchconsumequeue')) hints.push('has batch queues of 5.x, which are not looked at')
  if (has('epochFileCheckpoint')) hints.push('a controller manages it')
  if (files.segments.length > 0 && files.segments[0].start > 0) hints.push('older segments are gone')
  if (positions !== undefined && positions.trust !== 'live') hints.push(`positions: ${positions.reason}`)
  const hasSlaves = positions !== undefined && positions.slot.replicated > 0 && files.member === undefined
  if (hasSlaves) hints.push('had a slave')
  return hints
}

function hasNewCheckpoint(root: string): boolean {
  const bytes = tryRead(() => readFileSync(join(root, 'checkpoint')))
  return bytes !== undefined && bytes.length >= CHECKPOINT_5X + 8 && bytes.readBigInt64BE(CHECKPOINT_5X) !== 0n
}
