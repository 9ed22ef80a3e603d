/** Tables of rows, a column being a title and what it has of a row. Without a terminal nothing is cut. */
import { type Cell, facts as indentedFacts, layOut } from '../table.ts'

export { plain } from '../table.ts'

export interface Column<R> {
  title: string
  of(row: R): Cell
  /** To the right, and never cut. Numbers are anyway. */
  right?: boolean
}

export function table<R>(columns: readonly Column<R>[], rows: readonly R[], width: number | undefined): string {
  const cells = rows.map((row) => columns.map((column) => column.of(row)))
  const isRight = columns.map(
    (column, i) => column.right === true || (cells.length > 0 && cells.every((row) => typeof row[i] === 'number')),
  )
  const heads = columns.map(({ title }) => title)
  return layOut(
    heads,
    cells.map((row) => row.map(String)),
    isRight,
    width,
  )
}

/** "name   value" lines. */
export function facts(lines: readonly (readonly [name: string, value: Cell | undefined])[]): string {
  return indentedFacts(lines, '')
}
