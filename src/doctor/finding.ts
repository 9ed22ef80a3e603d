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
