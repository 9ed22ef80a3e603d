/** The chart of the README: the price of each mode as one SVG file that brings its own ground, for light and dark pages. */
import type { ModesResult } from '../results.ts'
import { priceChart } from './charts/price.ts'
import { conditionsLine, PARTIAL, versionsLine } from './heading.ts'
import { injectedText, select } from './selection.ts'
import { CHART_STYLE } from './style.ts'
import { type Chart, element, group, rect, svg, text } from './svg.ts'

const WIDTH = 1000
const EDGE = 22
const TOP = 62

export function modesChartSvg(result: ModesResult): string {
  const selection = select(result)
  const chart = priceChart(selection, WIDTH - 2 * EDGE)
  const injected = selection.conditions === undefined ? '' : injectedText(selection.conditions)
  const title = `What each mode costs${injected === '' ? '' : `, ${injected}`}`
  const notes = [
    versionsLine(result.machine),
    `${result.machine.cores} cores (${result.machine.cpu})`,
    conditionsLine(selection),
  ]
  const head = text(EDGE, 32, title, 'big') + text(EDGE, 50, result.isPartial ? PARTIAL : notes.join(', '), 'm')
  const height = chart.height + TOP + 18
  const whole: Chart = {
    ...chart,
    id: 'modes',
    title,
    width: WIDTH,
    height,
    body: head + group({ transform: `translate(${EDGE} ${TOP + 4})` }, chart.body),
  }
  const ground = rect(0.5, 0.5, WIDTH - 1, height - 1, { class: 'ground', rx: 10 })
  return `${svg(whole, element('style', {}, CHART_STYLE) + ground, { xmlns: 'http://www.w3.org/2000/svg' })}\n`
}
