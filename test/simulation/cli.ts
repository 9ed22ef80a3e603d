/**
 * npm run simulate -- [--seed N] [--hours H | --count N] [--jvm N [--power-loss]] [--flaw name] [--replay [--keep 1,2|none] [--lines N]]
 *
 * Runs histories from seed N on, for H hours or N histories; ends with status 1 at the first violation, told with its seed, the fewest
 * faults and a trace. --replay runs one history and prints what happened.
 */
import { parseArgs } from 'node:util'
import { report } from './shrink.ts'
import { type HistoryOptions, runHistory } from './world.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '0' },
    hours: { type: 'string' },
    count: { type: 'string' },
    jvm: { type: 'string' },
    'power-loss': { type: 'boolean', default: false },
    flaw: { type: 'string' },
    replay: { type: 'boolean', default: false },
    keep: { type: 'string' },
    lines: { type: 'string', default: '200' },
  },
})

const first = Number(values.seed)
const base: Omit<HistoryOptions, 'seed'> = {
  ...(values.jvm === undefined ? {} : { jvm: Number(values.jvm), jvmPowerLoss: values['power-loss'] }),
  ...(values.flaw === undefined ? {} : { flaws: { [values.flaw]: true } }),
}

if (values.replay) replay()
else search()

function replay(): void {
  const keep = values.keep === undefined ? undefined : values.keep === 'none' ? [] : values.keep.split(',').map(Number)
  const result = runHistory({ ...base, seed: first, traced: true, ...(keep === undefined ? {} : { keep }) })
  for (const line of result.trace.slice(-Number(values.lines))) console.log(line)
  console.log(result.violation ?? `all is well: ${summary(1, result.events, result.acknowledged)}`)
  process.exitCode = result.violation === undefined ? 0 : 1
}

function search(): void {
  const hours = values.hours === undefined ? undefined : Number(values.hours)
  const count = hours === undefined ? Number(values.count ?? 2000) : Number.POSITIVE_INFINITY
  const begin = Date.now()
  const end = hours === undefined ? Number.POSITIVE_INFINITY : begin + hours * 3_600_000
  let events = 0
  let acknowledged = 0
  let done = 0
  for (let seed = first; done < count && Date.now() < end; seed++) {
    const result = runHistory({ ...base, seed })
    done++
    events += result.events
    acknowledged += result.acknowledged
    if (result.violation !== undefined) {
      console.log(report({ ...base, seed }, result))
      process.exitCode = 1
      return
    }
    if (done % 10_000 === 0) console.log(summary(done, events, acknowledged))
  }
  console.log(
    `${summary(done, events, acknowledged)}, from seed ${first}, in ${((Date.now() - begin) / 1000).toFixed(0)} s: no violation`,
  )
}

function summary(histories: number, events: number, acknowledged: number): string {
  return `${histories} histories, ${events} events, ${acknowledged} acknowledged appends`
}
