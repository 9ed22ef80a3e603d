/** Numbers and times for people, and times as people write them. */

import type { DLedgerRows } from '../../admin/index.ts'
import { timeText as timeTo } from '../../text.ts'
import { usage } from './spec.ts'

export { bytesText } from '../../text.ts'

/** Local time, to the second; "-" for none. */
export const timeText = (ms: number): string => timeTo(ms, 's')

export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`
}

export function microsText(us: number): string {
  return us < 1000 ? `${us} µs` : us < 1_000_000 ? `${(us / 1000).toFixed(1)} ms` : `${(us / 1_000_000).toFixed(1)} s`
}

export function rateText(perSecond: number): string {
  return perSecond >= 100 || Number.isInteger(perSecond) ? String(Math.round(perSecond)) : perSecond.toFixed(1)
}

/** "n1 LEADER 5": member, role, term. */
export function dledgerText(rows: DLedgerRows | undefined): string {
  if (rows === undefined) return '-'
  const doubt = rows.role === 'LEADER' && !rows.isReady ? ' (not ready)' : ''
  return `${rows.selfId} ${rows.role}${doubt} ${rows.term}`
}

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** "90s", "10m", "500ms". */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim())
  if (match === null) throw usage(`"${text}" is no duration`, 'give a number with a unit: 500ms, 90s, 10m, 2h, 1d')
  return Number(match[1]) * UNITS[match[2]]
}

/** "now", "10m ago", "2026-05-01 12:00", ISO 8601, mqadmin's "2026-05-01#12:00:00:000", or milliseconds since 1970. */
export function parseTime(text: string, now: number): number {
  const word = text.trim()
  if (word === 'now') return now
  const ago = /^(\S+?)(?:\s*ago)$/.exec(word)
  if (ago !== null) return now - parseDuration(ago[1])
  if (/^\d{11,}$/.test(word)) return Number(word)
  const apache = /^(\d{4}-\d\d-\d\d)#(\d\d:\d\d:\d\d):(\d{3})$/.exec(word)
  const iso = apache === null ? word.replace(/^(\d{4}-\d\d-\d\d) /, '$1T') : `${apache[1]}T${apache[2]}.${apache[3]}`
  const at = /^\d{4}-/.test(iso) ? new Date(/^\d{4}-\d\d-\d\d$/.test(iso) ? `${iso}T00:00` : iso).getTime() : Number.NaN
  if (!Number.isNaN(at)) return at
  throw usage(`"${text}" is no time`, 'give "10m ago", "2026-05-01 12:00:00", ISO 8601, or milliseconds since 1970')
}
