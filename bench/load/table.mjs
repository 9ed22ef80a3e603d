// @ts-check
/** Plain tables for the terminal, and results as JSON in bench/results/. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { median } from './stats.mjs'

/** @param {string[]} head @param {(string | number)[][]} rows */
export function table(head, rows) {
  const texts = [head, ...rows].map((row) => row.map(String))
  const widths = head.map((_, column) => Math.max(...texts.map((row) => row[column].length)))
  const line = (/** @type {string[]} */ row) =>
    row.map((text, column) => (column === 0 ? text.padEnd(widths[column]) : text.padStart(widths[column]))).join('  ')
  return [line(texts[0]), widths.map((width) => '-'.repeat(width)).join('  '), ...texts.slice(1).map(line)].join('\n')
}

/** 33,412 → 33.4 k */
export function thousands(/** @type {number} */ value) {
  if (value < 1000) return value.toFixed(0)
  return value < 100_000 ? `${(value / 1000).toFixed(1)} k` : `${Math.round(value / 1000)} k`
}

/** Microseconds as ms with three digits that matter. */
export function ms(/** @type {number} */ us) {
  const value = us / 1000
  return value < 1 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)
}

/** 4.12 [3.9, 4.4] */
export function interval(/** @type {{ratio: number, low: number, high: number}} */ r) {
  const text = (/** @type {number} */ value) => (value < 10 ? value.toFixed(2) : value.toFixed(1))
  return `${text(r.ratio)} [${text(r.low)}, ${text(r.high)}]`
}

/** @param {string} name @param {object} result @returns {string} the file */
export function writeResult(name, result) {
  const folder = join(resolve(dirname(fileURLToPath(import.meta.url)), '../..'), 'bench', 'results')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${name}-${new Date().toISOString().replaceAll(/[:.]/g, '-').slice(0, 19)}.json`)
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
  return file
}

export const DESCRIPTION = [
  'in flight',
  'server',
  'msgs/s',
  'p50 ms',
  'p99 ms',
  'p99.9 ms',
  'max ms',
  'CPU us/msg',
  'generator us/msg',
  'RssAnon MiB',
  'threads',
]

/** The rows of one cell: medians over its rounds, a line a server.
 * @param {string} name
 * @param {Record<string, any[]>} measured
 */
export function describeCell(name, measured) {
  return Object.entries(measured).map(([kind, list]) => {
    const of = (/** @type {(one: any) => number} */ pick) => median(list.map(pick))
    const latency = (/** @type {string} */ key) =>
      list[0].latency === undefined ? '-' : ms(of((one) => one.latency[key]))
    const failed = list.reduce((sum, one) => sum + (one.failed ?? 0), 0)
    return [
      name,
      failed > 0 ? `${kind} (${failed} FAILED)` : kind,
      thousands(of((one) => one.rate)),
      latency('p50'),
      latency('p99'),
      latency('p999'),
      latency('max'),
      of((one) => one.serverCpuUs).toFixed(1),
      of((one) => one.generatorCpuUs).toFixed(1),
      of((one) => one.rssAnonMiB).toFixed(0),
      of((one) => one.threads),
    ]
  })
}
