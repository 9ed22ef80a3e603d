// @ts-check
/**
 * What does a group of three cost: members of ours and of dledger 0.3.1.2, the same raw load at the leader, fresh groups, one
 * after the other, every second round the other way about.
 *
 *     node bench/dledger/members.mjs [--rounds 1] [--seconds 2] [--in-flight 1,64,256] [--into FILE] [--table FILE] [--only basalt]
 *
 * --into adds each round to a file; --table prints what a file has and ends. Both acknowledge in page caches, as the original does.
 */
import { appendFileSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { median } from '../load/stats.mjs'
import { Group } from './groups.mjs'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    seconds: { type: 'string', default: '2' },
    'in-flight': { type: 'string', default: '1,64,256' },
    into: { type: 'string' },
    table: { type: 'string' },
    only: { type: 'string' },
    sync: { type: 'boolean', default: false },
    root: { type: 'string' },
  },
})
const cells = values['in-flight'].split(',').map(Number)
const seconds = Number(values.seconds)

/** @typedef {Record<string, { rate: number, p50Ms: number, p99Ms: number, cpuUs: number }>} Figures */

/** @param {'basalt' | 'jvm'} kind @returns {Promise<Figures>} */
async function measure(kind) {
  const group = new Group({ kind, root: values.root, flushBeforeAck: values.sync })
  try {
    await group.start()
    await group.load({ inFlight: 64, seconds: kind === 'jvm' ? 6 : 1 })
    /** @type {Figures} */
    const found = {}
    for (const inFlight of cells) found[inFlight] = await group.load({ inFlight, seconds, warmSeconds: 0.3 })
    return found
  } finally {
    await group.close()
  }
}

/** @param {Record<string, Figures>[]} rounds */
function table(rounds) {
  for (const inFlight of Object.keys(rounds[0].basalt ?? rounds[0].jvm ?? {})) {
    for (const what of /** @type {const} */ (['rate', 'p50Ms', 'p99Ms', 'cpuUs'])) {
      const ours = rounds.flatMap((it) => it.basalt?.[inFlight]?.[what] ?? [])
      const theirs = rounds.flatMap((it) => it.jvm?.[inFlight]?.[what] ?? [])
      const ratios = rounds.flatMap((it) =>
        it.jvm && it.basalt ? it.basalt[inFlight][what] / it.jvm[inFlight][what] : [],
      )
      const range = ratios.length > 0 ? `[${Math.min(...ratios).toFixed(2)}, ${Math.max(...ratios).toFixed(2)}]` : ''
      console.log(
        `${inFlight.padStart(4)} in flight  ${what.padEnd(6)} jvm ${(median(theirs) || 0).toFixed(2).padStart(10)}  ` +
          `basalt ${(median(ours) || 0).toFixed(2).padStart(10)}  ratio ${(median(ratios) || 0).toFixed(2)} ${range}`,
      )
    }
  }
}

if (values.table !== undefined) {
  table(
    readFileSync(values.table, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  )
} else {
  const rounds = []
  for (let round = 0; round < Number(values.rounds); round++) {
    /** @type {('basalt' | 'jvm')[]} */
    const order = (round + Number(values.first)) % 2 === 0 ? ['jvm', 'basalt'] : ['basalt', 'jvm']
    /** @type {Record<string, Figures>} */
    const found = {}
    for (const kind of order) if (values.only === undefined || values.only === kind) found[kind] = await measure(kind)
    rounds.push(found)
    if (values.into !== undefined) appendFileSync(values.into, `${JSON.stringify(found)}\n`)
  }
  table(rounds)
}
