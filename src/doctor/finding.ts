/**
 * What a check found: a verdict, what is so, and what to do about it.
 *
 *   ok     as it should be          warn   works, and will hurt
 *   note   worth knowing            bad    does not work, or loses messages
 */
export type Verdict = 'ok' | 'note' | 'warn' | 'bad'

export interface Finding {
  check: string
  verdict: Verdict
  what: string
  todo?: string
}

export type Found = (verdict: Verdict, what: string, todo?: string) => Finding

/** Findings of one check. */
export function of(check: string): Found {
  return (verdict, what, todo) => ({ check, verdict, what, ...(todo === undefined ? {} : { todo }) })
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

export function sizeText(bytes: number): string {
  const step = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10))
  return `${step === 0 ? bytes : (bytes / 1024 ** step).toFixed(1)} ${UNITS[step]}`
}
