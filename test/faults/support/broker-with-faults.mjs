// A broker in a process of its own whose fault switches obey lines on standard input: "set holdAppend 1", "advance 60000".
// What runs is the command itself (dist/cli/main.js): its start, screen, log, signals and exit status.
//   node broker-with-faults.mjs <package folder> broker --set key=value …
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const [root, ...argv] = process.argv.slice(2)
const load = (file) => import(join(root, 'dist', file))
const { main } = await load('cli/main.js')
const { startBroker } = await load('broker/broker.js')
const { FaultSwitches } = await load('faults.js')

const faults = new FaultSwitches()
let broker

const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => {
  const [verb, name, value] = line.split(' ')
  if (verb === 'set') {
    faults.set(name, Number(value))
    // A thread that sleeps looks at its switches when it is woken.
    broker?.engine.moveClock(0)
  } else if (verb === 'advance') broker?.advance(Number(name))
  process.stdout.write(`did ${line}\n`)
})
process.stdin.unref?.()

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']
const io = {
  out: (text) => process.stdout.write(text),
  error: (text) => process.stderr.write(text),
  isTerminal: false,
  env: process.env,
  cwd: process.cwd(),
  engine: async () => ({
    startBroker: async (resolved, log) => {
      broker = await startBroker({ resolved, log, faults })
      return broker
    },
  }),
  onSignal(listener) {
    for (const signal of SIGNALS) process.on(signal, listener)
    return () => {
      for (const signal of SIGNALS) process.off(signal, listener)
    }
  },
  exit: (status) => process.exit(status),
}
process.exit(await main(argv, io))
