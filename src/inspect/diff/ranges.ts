/** Ranges of the log, half open, and what is common to two lists of them. Lists are ascending and do not overlap. */
export interface Range {
  from: number
  to: number
}

export const bytesOf = (ranges: readonly Range[]): number => ranges.reduce((sum, { from, to }) => sum + to - from, 0)

/** Ascending, those that touch (or lie no more than `gap` apart) as one. */
export function merged(ranges: readonly Range[], gap = 0): Range[] {
  const found: Range[] = []
  for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = found.at(-1)
    if (to <= from) continue
    if (last !== undefined && from <= last.to + gap) last.to = Math.max(last.to, to)
    else found.push({ from, to })
  }
  return found
}

export function common(a: readonly Range[], b: readonly Range[]): Range[] {
  const found: Range[] = []
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const from = Math.max(a[i].from, b[j].from)
    const to = Math.min(a[i].to, b[j].to)
    if (from < to) found.push({ from, to })
    if (a[i].to < b[j].to) i += 1
    else j += 1
  }
  return merged(found)
}

export function without(a: readonly Range[], b: readonly Range[]): Range[] {
  const found: Range[] = []
  for (const { from, to } of a) {
    let at = from
    for (const taken of b) {
      if (taken.to <= at || taken.from >= to) continue
      if (taken.from > at) found.push({ from: at, to: taken.from })
      at = Math.max(at, taken.to)
    }
    if (at < to) found.push({ from: at, to })
  }
  return found
}
