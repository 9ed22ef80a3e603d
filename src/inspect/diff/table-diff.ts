/** The tables in config/ of two stores: keys that differ, or that one has. */
import { entriesOf, isObject, TABLES, type Table, type TableName } from '../tables.ts'

export interface TableDiff {
  table: TableName
  /** `topic@group/queueId` for an offset of a consumer. */
  key: string
  /** As JSON; undefined where it is missing. */
  a: string | undefined
  b: string | undefined
}

/** Where one of the two cannot be read at all, its problem is the difference. */
export function diffTables(a: ReadonlyMap<TableName, Table>, b: ReadonlyMap<TableName, Table>): TableDiff[] {
  const found: TableDiff[] = []
  for (const table of TABLES) {
    const [tableA, tableB] = [a.get(table), b.get(table)]
    if (isBroken(tableA) || isBroken(tableB)) {
      if (tableA?.problem !== tableB?.problem) found.push({ table, key: '', a: tableA?.problem, b: tableB?.problem })
      continue
    }
    const [rowsA, rowsB] = [rowsOf(tableA), rowsOf(tableB)]
    for (const key of [...new Set([...rowsA.keys(), ...rowsB.keys()])].sort()) {
      const [rowA, rowB] = [rowsA.get(key), rowsB.get(key)]
      if (rowA !== rowB) found.push({ table, key, a: rowA, b: rowB })
    }
  }
  return found
}

const isBroken = (table: Table | undefined) => table?.content === undefined && table?.problem !== undefined

/** Of each inner table: a row a key; the offsets of a consumer a row a queue. */
function rowsOf(table: Table | undefined): Map<string, string> {
  const rows = new Map<string, string>()
  for (const [name, inner] of Object.entries(table?.content ?? {})) {
    if (name === 'dataVersion' || !isObject(inner)) continue
    for (const [key, value] of Object.entries(inner)) {
      const isOffsets = table?.name === 'consumerOffset.json' && isObject(value)
      if (!isOffsets) rows.set(key, canonical(value))
      else for (const [queue, offset] of entriesOf(value)) rows.set(`${key}/${queue}`, canonical(offset))
    }
  }
  return rows
}

/** Brokers write fields in any order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    isObject(each) ? Object.fromEntries(Object.entries(each).sort(([x], [y]) => (x < y ? -1 : 1))) : each,
  )
}
