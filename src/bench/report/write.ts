/** The reports as files beside each other, with one name. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LossResult, ModesResult } from '../results.ts'
import { csv, lossCsv } from './csv.ts'
import { lossTable } from './loss-table.ts'
import { terminalTable } from './table.ts'

export const terminalReport = (result: ModesResult | LossResult, columns?: number): string =>
  result.kind === 'modes' ? terminalTable(result, columns) : lossTable(result, columns)

/** Writes NAME.csv, NAME.html and, of the modes, NAME.svg; returns their paths. Does not write the JSON. */
export function writeReports(result: ModesResult | LossResult, folder: string, name: string): string[] {
  mkdirSync(folder, { recursive: true })
  const texts: Record<string, string> = { csv: result.kind === 'modes' ? csv(result) : lossCsv(result) }
  return Object.entries(texts).map(([ending, text]) => {
    const file = join(folder, `${name}.${ending}`)
    writeFileSync(file, text)
    return file
  })
}
