/**
 * Delay levels: `1s 5s 10s 30s 1m …` to milliseconds, and what a record of the schedule topic has as its tagsCode.
 * Source: spec/broker-requests.md §11, spec/store-format.md §4.
 */
import { ConfigError } from '../../errors.ts'

export const SCHEDULE_TOPIC = 'SCHEDULE_TOPIC_XXXX'

const UNITS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of level n at index n; index 0 is unused. */
export function parseDelayLevels(text: string): number[] {
  const levels = [0]
  for (const item of text.split(' ').filter((each) => each !== '')) {
    const [, digits, unit] = /^(\d+)([smhd])$/.exec(item) ?? []
    if (digits === undefined) {
      throw new ConfigError('BAD_DELAY_LEVEL', {
        what: `messageDelayLevel has "${item}"`,
        todo: 'levels are numbers with a unit s, m, h or d, separated by blanks: "1s 5s 1m"',
      })
    }
    levels.push(Number(digits) * UNITS[unit])
  }
  return levels
}

/** Milliseconds of a level from 1 on; those above the last one count as the last. */
export function delayOf(delays: readonly number[], level: number): number {
  return delays.length < 2 ? 1000 : delays[Math.min(level, delays.length - 1)]
}
