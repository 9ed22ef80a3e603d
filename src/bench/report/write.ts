/** The reports as files beside each other, with one name. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LossResult, ModesResult } from '../results.ts'
import { csv, lossCsv } from './csv.ts'
import { lossPage } from './loss-page.ts'
import { lossTable } from './loss-table.ts'
import { modesPage } from './modes-page.ts'
import { modesChartSvg } from './readme-chart.ts'
import { terminalTable } from './table.ts'

export const terminalReport = (result: ModesResult | LossResult, columns?: number): string =>
  result.kind === 'modes' ? terminalTable(result, columns) : lossTable(result, columns)

export const htmlPage = (result: ModesResult | LossResult): string =>
  result.kind === 'modes' ? modesPage(result) : lossPage(result)

/** Writes NAME.csv, NAME.html and, of the modes, NAME.svg; returns their paths. Does not write the JSON. */
export function writeReports(result: ModesResult | LossResult, folder: string, name: string): string[] {
  mkdirSync(folder, { recursive: true })
  const texts: Record<string, string> =
    result.kind === 'modes'
      ? { html: htmlPage(result), csv: csv(result), svg: modesChartSvg(result) }
      : { html: htmlPage(result), csv: lossCsv(result) }
  return Object.entries(texts).map(([ending, text]) => {
    const file = join(folder, `${name}.${ending}`)
    writeFileSync(file, text)
    return file
  })
}
