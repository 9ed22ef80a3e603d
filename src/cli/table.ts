/** Tables and numbers for eyes: columns as wide as their content, cut to the width of the terminal. */

export type Cell = string | number

export interface Column {
  head: string
  /** Numbers stand on the right by themselves. */
  right?: boolean
}

const GAP = '  '
const CUT = '…'
const WIDTH_MIN = 8

/** Lines without a trailing blank, each indented by two. `width`: of the terminal, Infinity for a file. */
export function table(columns: readonly Column[], rows: readonly (readonly Cell[])[], width: number): string {
  if (rows.length === 0) return ''
  const texts = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en-US') : cell)))
  const isRight = columns.map((column, i) => column.right ?? rows.every((row) => typeof row[i] === 'number'))
  const widths = columns.map((column, i) => Math.max(column.head.length, ...texts.map((row) => row[i].length)))
  shrink(widths, isRight, width - GAP.length)
  const line = (cells: readonly string[]) => {
    const parts = cells.map((cell, i) => {
      const text = cell.length > widths[i] ? cell.slice(0, widths[i] - 1) + CUT : cell
      return isRight[i] ? text.padStart(widths[i]) : text.padEnd(widths[i])
    })
    return `${GAP}${parts.join(GAP)}`.trimEnd()
  }
  return `${[line(columns.map(({ head }) => head)), ...texts.map(line)].join('\n')}\n`
}

/** Takes from the widest text column until all fit. */
function shrink(widths: number[], isRight: boolean[], room: number): void {
  const total = () => widths.reduce((sum, each) => sum + each + GAP.length, -GAP.length)
  while (total() > room) {
    let widest = -1
    for (let i = 0; i < widths.length; i += 1) {
      if (!isRight[i] && widths[i] > WIDTH_MIN && (widest < 0 || widths[i] > widths[widest])) widest = i
    }
    if (widest < 0) return
    widths[widest] -= Math.min(widths[widest] - WIDTH_MIN, total() - room)
  }
}

/** `name   text` lines. */
export function facts(rows: readonly (readonly [name: string, text: string | undefined])[]): string {
  const known = rows.filter(([, text]) => text !== undefined && text !== '')
  const width = Math.max(0, ...known.map(([name]) => name.length))
  return known.map(([name, text]) => `${GAP}${name.padEnd(width)}  ${text}\n`).join('')
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit += 1
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(value < 10 ? 2 : 1)} ${UNITS[unit]}`
}

/** Local time to the millisecond; `-` for none. */
export function timeText(time: number): string {
  if (time <= 0 || time > 8.64e15) return '-'
  const date = new Date(time)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  return `${day} ${clock}.${String(date.getMilliseconds()).padStart(3, '0')}`
}

export const count = (value: number) => value.toLocaleString('en-US')
