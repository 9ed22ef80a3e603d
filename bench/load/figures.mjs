// @ts-check
/** A few figures of each server, round by round in turns, and their ratios: for benchmarks that are no load of messages. */
import { median, ratioInterval } from './stats.mjs'
import { interval, table } from './table.mjs'

/** @typedef {import('./servers.mjs').Kind} Kind */

/**
 * Runs the rounds, every second one the other way about, and prints medians and ratios.
 * @template {string} F
 * @param {{title: string, kinds: Kind[], rounds: number, figures: readonly F[],
 *   measure: (kind: Kind, name: string) => Promise<Record<F, number>>}} plan name: another one each time
 * @returns {Promise<Record<string, Record<F, number>[]>>} by kind of server, one a round
 */
export async function measureFigures({ title, kinds, rounds, figures, measure }) {
  /** @type {Record<string, Record<F, number>[]>} */
  const measured = Object.fromEntries(kinds.map((kind) => [kind, []]))
  for (let round = 0; round < rounds; round++) {
    for (const kind of round % 2 === 0 ? kinds : kinds.toReversed()) {
      const one = await measure(kind, `${kind}-${round}`)
      measured[kind].push(one)
      console.error(`  ${kind}: ${figures.map((figure) => `${figure} ${one[figure].toFixed(2)}`).join(', ')}`)
    }
  }
  const rows = figures.map((figure) => {
    const of = (/** @type {string} */ kind) => (measured[kind] ?? []).map((one) => one[figure])
    const [ours, theirs] = [of('basalt'), of('apache')]
    const text = (/** @type {number[]} */ list) => (list.length === 0 ? '-' : median(list).toFixed(2))
    const both = ours.length > 0 && theirs.length > 0
    return [figure, text(theirs), text(ours), both ? interval(ratioInterval(ours, theirs)) : '-']
  })
  console.log(table([title, 'Apache', 'Basalt', 'Basalt / Apache'], rows))
  return measured
}
