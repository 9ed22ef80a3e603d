/**
 * Tables that fit: columns as wide as their content. Where the terminal is narrower the widest texts are cut in the middle, never
 * numbers; where that is not enough, each row becomes a block of lines. Control characters are shown, not passed on.
 */
import { timeText as timeTo } from '../text.ts'

export { bytesText } from '../text.ts'

/** Local time to the millisecond; "-" for none. */
export const timeText = (time: number): string => timeTo(time, 'ms')

export type Cell = string | number

export interface Column {
  head: string
  /** Numbers stand on the right by themselves. */
  right?: boolean
}

const GAP = '  '
const CUT = '…'
const CUT_MIN = 8

/** Lines without a trailing blank, each indented by two. `width`: of the terminal, Infinity for a file. */
export function table(columns: readonly Column[], rows: readonly (readonly Cell[])[], width: number): string {
  if (rows.length === 0) return ''
  const texts = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? count(cell) : cell)))
  const isRight = columns.map((column, i) => column.right ?? rows.every((row) => typeof row[i] === 'number'))
  const heads = columns.map(({ head }) => head)
  return layOut(heads, texts, isRight, width, GAP)
}

/** What stands on the right is never cut. */
export function layOut(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  isRight: readonly boolean[],
  width = Number.POSITIVE_INFINITY,
  indent = '',
): string {
  const cells = [heads, ...rows].map((row) => row.map(plain))
  const widths = heads.map((_, i) => Math.max(...cells.map((row) => sizeOf(row[i]))))
  const least = heads.map((head, i) => (isRight[i] ? widths[i] : Math.min(widths[i], Math.max(CUT_MIN, sizeOf(head)))))
  const room = width - indent.length - GAP.length * (heads.length - 1)
  if (rows.length > 0 && sum(least) > room) return stacked(heads, rows, width, indent)
  narrow(widths, least, room)
  const line = (row: readonly string[]) =>
    `${indent}${row.map((cell, i) => pad(cut(cell, widths[i]), widths[i], isRight[i])).join(GAP)}`.trimEnd()
  return `${cells.map(line).join('\n')}\n`
}

const sum = (numbers: readonly number[]) => numbers.reduce((all, each) => all + each, 0)

/** Takes from the widest that may become narrower until all fit. */
function narrow(widths: number[], least: readonly number[], room: number): void {
  for (let over = sum(widths) - room; over > 0; over--) {
    let widest = -1
    for (const [i, each] of widths.entries()) {
      if (each > least[i] && (widest < 0 || each > widths[widest])) widest = i
    }
    if (widest < 0) return
    widths[widest]--
  }
}

/** A block a row, for terminals that are too narrow for its line. */
function stacked(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  width: number,
  indent: string,
): string {
  const first = Math.max(...heads.map(sizeOf))
  const room = Math.max(CUT_MIN, width - indent.length - first - GAP.length)
  const blocks = rows.map((row) =>
    heads.map((head, i) => `${indent}${pad(head, first, false)}${GAP}${cut(plain(row[i]), room)}`.trimEnd()).join('\n'),
  )
  return `${blocks.join('\n\n')}\n`
}

/** `name   text` lines of what is known. */
export function facts(rows: readonly (readonly [name: string, text: Cell | undefined])[], indent = GAP): string {
  const known = rows.filter(([, text]) => text !== undefined && text !== '')
  const width = Math.max(0, ...known.map(([name]) => sizeOf(name)))
  return known.map(([name, text]) => `${indent}${pad(name, width, false)}${GAP}${plain(text ?? '')}\n`).join('')
}

/** Control characters would break lines; what comes from others is shown, not run. */
export function plain(cell: Cell): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return String(cell).replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '·')
}

/** What takes two columns: East Asian wide and full-width forms, emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u
const MARK = /^\p{Mark}$/u

const letterSize = (letter: string) => (letter < '\u0300' ? 1 : MARK.test(letter) ? 0 : WIDE.test(letter) ? 2 : 1)

/** Columns on a terminal. */
export function sizeOf(text: string): number {
  let size = 0
  for (const letter of text) size += letterSize(letter)
  return size
}

/** In the middle: both ends of names and ids tell them apart. */
function cut(text: string, width: number): string {
  if (sizeOf(text) <= width) return text
  const letters = [...text]
  const back: string[] = []
  const front: string[] = []
  let left = width - CUT.length
  for (let i = 0, j = letters.length - 1; i <= j; ) {
    const isFront = front.length <= back.length
    const letter = isFront ? letters[i++] : letters[j--]
    left -= letterSize(letter)
    if (left < 0) break
    if (isFront) front.push(letter)
    else back.unshift(letter)
  }
  return `${front.join('')}${CUT}${back.join('')}`
}

function pad(text: string, width: number, right: boolean): string {
  const blanks = ' '.repeat(Math.max(0, width - sizeOf(text)))
  return right ? blanks + text : text + blanks
}

export const count = (value: number) => value.toLocaleString('en-US')
