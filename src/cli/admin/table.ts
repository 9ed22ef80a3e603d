/**
 * Tables that fit: columns as wide as their longest cell; where the terminal is narrower the widest texts are cut in the
 * middle, never numbers. Without a terminal nothing is cut.
 */
export interface Column<R> {
  title: string
  of(row: R): string | number
  /** To the right, and never cut. Numbers are anyway. */
  right?: boolean
}

const GAP = '  '
const CUT_MIN = 6

export function table<R>(columns: readonly Column<R>[], rows: readonly R[], width: number | undefined): string {
  const raw = rows.map((row) => columns.map((column) => column.of(row)))
  const isRight = columns.map(
    (column, i) => column.right === true || (raw.length > 0 && raw.every((cells) => typeof cells[i] === 'number')),
  )
  const cells = [columns.map(({ title }) => title), ...raw.map((line) => line.map(plain))]
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => sizeOf(line[i]))))
  if (width !== undefined)
    narrow(
      widths,
      isRight,
      columns.map(({ title }) => sizeOf(title)),
      width,
    )
  return cells
    .map((line) => {
      const padded = line.map((cell, i) => pad(cut(cell, widths[i]), widths[i], isRight[i]))
      return `${padded.join(GAP).trimEnd()}\n`
    })
    .join('')
}

/** Takes from the widest text column until the line fits, or nothing can be taken any more. */
function narrow(widths: number[], isRight: readonly boolean[], titles: readonly number[], width: number): void {
  let over = widths.reduce((sum, each) => sum + each, 0) + GAP.length * (widths.length - 1) - width
  while (over > 0) {
    let widest = -1
    for (const [i, each] of widths.entries()) {
      if (!isRight[i] && each > Math.max(CUT_MIN, titles[i]) && (widest < 0 || each > widths[widest])) widest = i
    }
    if (widest < 0) return
    widths[widest]--
    over--
  }
}

/** Control characters would break lines; what comes from others is shown, not run. */
export function plain(cell: string | number): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return String(cell).replace(/[\u0000-\u001f\u007f-\u009f]/g, '·')
}

const sizeOf = (text: string) => [...text].length

function cut(text: string, width: number): string {
  const letters = [...text]
  if (letters.length <= width) return text
  const front = Math.ceil((width - 1) / 2)
  return `${letters.slice(0, front).join('')}…${letters.slice(letters.length - (width - 1 - front)).join('')}`
}

function pad(text: string, width: number, right: boolean): string {
  const blanks = ' '.repeat(Math.max(0, width - sizeOf(text)))
  return right ? blanks + text : text + blanks
}

/** "name   value" lines. */
export function facts(lines: readonly (readonly [name: string, value: string | number | undefined])[]): string {
  const known = lines.filter(([, value]) => value !== undefined && value !== '')
  const width = Math.max(0, ...known.map(([name]) => sizeOf(name)))
  return known.map(([name, value]) => `${name.padEnd(width)}  ${plain(value ?? '')}\n`).join('')
}
