/** The reports of `bench modes` and `bench loss`: terminal, CSV, one page, the chart of the README. */
export { csv, lossCsv } from './csv.ts'
export { lossTable } from './loss-table.ts'
export { readModesResult, readResult } from './read.ts'
export { modesChartSvg } from './readme-chart.ts'
export { terminalTable } from './table.ts'
export { htmlPage, terminalReport, writeReports } from './write.ts'
