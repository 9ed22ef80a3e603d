/**
 * Tables for a terminal: columns give way until they fit, and what was left out is said.
 *
 * Invariant: no line is wider than `columns` unless the columns that may not go are wider themselves.
 */
export interface Column {
  readonly head: string
  /** Who goes first when there is no room: the smallest. Without one it stays. */
  readonly keep?: number
  readonly left?: boolean
}

const GAP = 2

export function textTable(heads: readonly Column[], rows: readonly (readonly string[])[], columns: number): string {
  const widths = heads.map(({ head }, index) => Math.max(head.length, ...rows.map((row) => row[index].length)))
  const shown = fitting(heads, widths, columns)
  const line = (cells: readonly string[]) =>
    shown
      .map((index) =>
        heads[index].left === true ? cells[index].padEnd(widths[index]) : cells[index].padStart(widths[index]),
      )
      .join(' '.repeat(GAP))
      .trimEnd()
  const rule = shown.map((index) => '─'.repeat(widths[index])).join(' '.repeat(GAP))
  const lines = [line(heads.map(({ head }) => head)), rule, ...rows.map(line)]
  const left = heads.filter((_, index) => !shown.includes(index)).map(({ head }) => head)
  if (left.length > 0) lines.push(...wrap(`(no room for: ${left.join(', ')})`, columns))
  return lines.join('\n')
}

/** Columns that fit, and none that says the same of every row. */
function fitting(heads: readonly Column[], widths: readonly number[], columns: number): number[] {
  let shown = heads.map((_, index) => index)
  const wide = () => shown.reduce((sum, index) => sum + widths[index], GAP * (shown.length - 1))
  const going = shown.filter((index) => heads[index].keep !== undefined)
  going.sort((a, b) => heads[a].keep! - heads[b].keep!)
  for (const index of going) {
    if (wide() <= columns) break
    shown = shown.filter((each) => each !== index)
  }
  return shown
}

/** Columns whose every row is "–" or empty, away. */
export function withoutEmpty<C>(heads: readonly C[], rows: readonly (readonly string[])[]): [C[], string[][]] {
  const used = heads.map((_, index) => rows.some((row) => row[index] !== '–' && row[index] !== ''))
  const pick = <T>(list: readonly T[]) => list.filter((_, index) => used[index])
  return [pick(heads), rows.map(pick)]
}

export function wrap(text: string, columns: number): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const last = lines.length - 1
    if (lines[last] === '') lines[last] = word
    else if (lines[last].length + 1 + word.length <= columns) lines[last] += ` ${word}`
    else lines.push(word)
  }
  return lines
}
