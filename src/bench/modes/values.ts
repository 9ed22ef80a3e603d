/** Values of the benchmark's flags: lists, times, sizes, what is injected. Each names its flag when it is wrong. */
import { ConfigError } from '../../errors.ts'
import type { Injected } from '../results.ts'

export function wrong(flag: string, text: string, allowed: string): ConfigError {
  return new ConfigError('BENCH_OPTION', { what: `${flag} is ${JSON.stringify(text)}; allowed: ${allowed}` })
}

export const list = (text: string): string[] => text.split(',').filter((word) => word !== '')

/** Words of a table, each once. */
export function listOf<T>(flag: string, text: string, table: Readonly<Record<string, T>>): T[] {
  const words = list(text)
  for (const word of words) {
    if (!Object.hasOwn(table, word)) throw wrong(flag, word, Object.keys(table).join(', '))
  }
  if (words.length === 0) throw wrong(flag, text, `a list of ${Object.keys(table).join(', ')}`)
  return [...new Set(words)].map((word) => table[word])
}

export function number(flag: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) throw wrong(flag, text, `whole numbers ${min} to ${max}`)
  return value
}

export function seconds(flag: string, text: string, min: number): number {
  const value = /^\d+(\.\d+)?s?$/.test(text) ? Number.parseFloat(text) : Number.NaN
  if (!(value >= min && value <= 3600)) throw wrong(flag, text, `seconds from ${min} to 3600`)
  return value
}

/** "1024", "16k", "1m": bytes. */
export function sizeOf(flag: string, text: string, max: number): number {
  const match = /^(\d+)([km]?)$/i.exec(text)
  const unit = { '': 1, k: 1024, m: 1 << 20 }[match?.[2].toLowerCase() ?? ''] ?? 1
  const value = match === null ? Number.NaN : Number(match[1]) * unit
  if (!(value >= 1 && value <= max)) throw wrong(flag, text, `bytes from 1 to ${max}, with k or m for KiB or MiB`)
  return value
}

/** "fdatasync=5ms,rtt=1ms" */
export function injectedOf(flag: string, text: string): Injected {
  const [point, ...more] = gridOf(flag, text)
  if (more.length > 0) throw wrong(flag, text, 'one value each; for several there is --surface')
  return point
}

const FDATASYNC_MS_MAX = 1000
const RTT_MS_MAX = 1000

/** "fdatasync=0/1/5ms,rtt=0/1ms": every pair. What is not named is 0. */
export function gridOf(flag: string, text: string): Injected[] {
  const example = 'fdatasync=5ms,rtt=1ms (--surface: several values each, as 0/1/5ms)'
  const values: Record<string, number[]> = {}
  for (const part of list(text)) {
    const [name, ms = ''] = part.split('=', 2)
    if (!['fdatasync', 'rtt'].includes(name) || values[name] !== undefined) throw wrong(flag, text, example)
    values[name] = ms.split('/').map((word) => milliseconds(flag, word, text, example))
  }
  const { fdatasync = [0], rtt = [0] } = values
  if (list(text).length === 0) throw wrong(flag, text, example)
  // The switch of the broker counts whole milliseconds.
  if (fdatasync.some((ms) => !Number.isInteger(ms) || ms > FDATASYNC_MS_MAX)) {
    throw wrong(flag, text, `fdatasync of whole milliseconds up to ${FDATASYNC_MS_MAX}`)
  }
  if (rtt.some((ms) => ms > RTT_MS_MAX)) throw wrong(flag, text, `rtt of at most ${RTT_MS_MAX} ms`)
  return fdatasync.flatMap((fdatasyncMs) => rtt.map((rttMs) => ({ fdatasyncMs, rttMs })))
}

/** "5", "5ms", "0.5ms", "500us" */
function milliseconds(flag: string, word: string, text: string, example: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|us)?$/.exec(word)
  if (match === null) throw wrong(flag, text, example)
  return match[2] === 'us' ? Number(match[1]) / 1000 : Number(match[1])
}
