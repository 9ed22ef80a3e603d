/** The page of `bench modes`: the price first, then what it is made of, how load changes it, and every figure. */
import type { ModesResult } from '../results.ts'
import { ownSeries } from './charts/price.ts'
import { count, digits, time, whole } from './format.ts'
import { conditionsLine, floorsLine } from './heading.ts'
import { againstSection } from './modes-sections/against.ts'
import { cellsSection, costSection, lagSection } from './modes-sections/figures.ts'
import { curvesSection, distributionSection } from './modes-sections/load.ts'
import { priceSection } from './modes-sections/price.ts'
import { surfaceSection } from './modes-sections/surface.ts'
import { waterfallSection } from './modes-sections/waterfall.ts'
import { pageOf } from './page.ts'
import { at, injectedText, type Selection, select } from './selection.ts'
import { escaped } from './svg.ts'

export function modesPage(result: ModesResult): string {
  const selection = select(result)
  const injected = selection.conditions === undefined ? '' : injectedText(selection.conditions)
  const isOne = ownSeries(selection).length === 1
  const title = `What ${isOne ? ownSeries(selection)[0].name : 'each mode'} costs${injected === '' ? '' : `, ${injected}`}`
  const parts = [priceSection, waterfallSection, curvesSection, distributionSection, surfaceSection, againstSection]
  const sections = selection.all.length === 0 ? [] : [...parts, costSection, lagSection, cellsSection]
  return pageOf(result, {
    title,
    lead: lead(selection),
    conditions: [conditionsLine(selection)],
    sections: sections.map((each) => each(selection)).filter((each) => each !== ''),
    footer: [
      floorsLine(result),
      'Percentiles come from the histograms of all rounds together; one with fewer than ten samples beyond it is left out (–). Rates and CPU are medians of rounds.',
    ],
  })
}

/** From the mode that waits for the least to the one that waits for the most: a smallest p50 may be the smallest by chance. */
function lead(selection: Selection): string {
  const { low, high } = selection
  const measured = ownSeries(selection)
    .map((series) => ({ series, p50: at(series, low)?.latency.p50, rate: at(series, high)?.rate }))
    .filter(({ p50 }) => p50 !== undefined)
  const [least, most] = [measured[0], measured.at(-1)]
  if (least === undefined || most === undefined || low === undefined || high === undefined) {
    return 'Too little was measured for a percentile.'
  }
  const strong = (text: string) => `<strong>${escaped(text)}</strong>`
  const messages = low.amount === 1 ? '1 message' : `${whole(low.amount)} messages`
  const took = `With ${low.load === 'closed' ? `${messages} in flight` : escaped(low.name)}, half of all sends take at most`
  const one = (each: typeof least) => `${strong(time(each.p50))} in ${escaped(each.series.name)}`
  const rate = (each: typeof least) => strong(count(each.rate ?? 0))
  if (least === most)
    return `${took} ${one(least)}; with ${escaped(high.name)}, ${rate(least)} messages a second go through.`
  const times = `${digits(most.p50! / Math.max(least.p50!, 1))} times as much`
  const loads =
    high === low ? '' : ` With ${escaped(high.name)} it is ${rate(least)} against ${rate(most)} messages a second.`
  return `${took} ${one(least)}, and ${one(most)}, which waits for the most: ${times}.${loads}`
}
