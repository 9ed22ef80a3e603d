// @ts-check
/**
 * How long does a group take no appends when its leader is killed (kill -9) under load: from the kill to the first append that was sent
 * after it and is acknowledged. Writers ask every member they know of in turn, as soon as one refuses or is gone.
 *
 *     node bench/dledger/kills.mjs [--kills 50] [--writers 32] [--kind basalt|jvm] [--sync] [--slow] [--busy 2]
 *
 * --slow: default timers instead of dLedgerFastElection. --tell 800: what members
 * said where it took longer. --busy: so many processes that do nothing but use the CPU.
 */
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { RemotingClient } from '../../dist/remoting/client.js'
import { request } from '../../dist/remoting/command.js'
import { ask, GROUP, Group } from './groups.mjs'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    writers: { type: 'string', default: '32' },
    kind: { type: 'string', default: 'basalt' },
    busy: { type: 'string', default: '0' },
    sync: { type: 'boolean', default: false },
    tell: { type: 'string', default: '1000000' },
    slow: { type: 'boolean', default: false },
  },
})

const group = new Group({
  kind: values.kind === 'jvm' ? 'jvm' : 'basalt',
  fast: !values.slow,
  flushBeforeAck: values.sync,
})
const busy = Array.from({ length: Number(values.busy) }, () => spawn(process.execPath, ['-e', 'for (;;);']))
const client = new RemotingClient({ connectTimeoutMs: 300 })
const body = Buffer.alloc(1024, 'x').toString('base64')
/** Where writers think that the leader is. */
let leader = 'n0'
let accepted = 0
let isOver = false
/** @type {{ at: number, found: (ms: number) => void } | undefined} */
let waiting

async function write() {
  const ids = Object.keys(group.peers)
  while (!isOver) {
    const id = leader
    const sentAt = performance.now()
    try {
      const frame = request(50_001, undefined, Buffer.from(JSON.stringify({ group: GROUP, remoteId: id, body })))
      const answer = await client.invoke(group.peers[id], frame, 3000)
      const { code, leaderId } = JSON.parse(Buffer.from(answer.body ?? '{}').toString())
      if (code === 200) {
        accepted++
        if (waiting !== undefined && sentAt >= waiting.at) {
          waiting.found(performance.now() - waiting.at)
          waiting = undefined
        }
        continue
      }
      if (leaderId !== undefined && leaderId !== id && leader === id) leader = leaderId
      else if (leader === id) leader = ids[(ids.indexOf(id) + 1) % ids.length]
    } catch {
      if (leader === id) leader = ids[(ids.indexOf(id) + 1) % ids.length]
    }
    await sleep(10)
  }
}

/** @param {string} id */
async function follows(id) {
  for (const until = performance.now() + 30_000; performance.now() < until; await sleep(20)) {
    const answer = await ask(group.peers[id], 50_000, { group: GROUP, remoteId: id }).catch(() => undefined)
    if (answer?.leaderId !== undefined) return
  }
  throw new Error(`${id} does not follow`)
}

await group.start()
leader = await group.leader()
const writers = Array.from({ length: Number(values.writers) }, write)
/** @type {number[]} */
const times = []
for (let i = 0; i < Number(values.kills); i++) {
  await sleep(400 + Math.random() * 600)
  const victim = await group.leader()
  /** @type {Promise<number>} */
  const found = new Promise((done) => {
    waiting = { at: performance.now(), found: done }
  })
  await group.kill(victim)
  const killedAt = performance.now()
  const ms = await found
  if (ms > Number(values.tell))
    for (const { at, text } of group.said)
      if (at >= killedAt - 100) console.log(`  ${Math.round(at - killedAt)} ms  ${text}`)
  group.said.length = 0
  times.push(ms)
  await group.startOne(victim)
  await follows(victim)
}
isOver = true
await Promise.all(writers)
for (const it of busy) it.kill('SIGKILL')
await client.close()
await group.close()
times.sort((a, b) => a - b)
const at = (/** @type {number} */ part) =>
  Math.round(times[Math.min(times.length - 1, Math.floor(times.length * part))])
console.log(
  JSON.stringify({
    ...values,
    accepted,
    p50: at(0.5),
    p90: at(0.9),
    second: Math.round(times[times.length - 2] ?? 0),
    max: at(1),
  }),
)
console.log(times.map(Math.round).join(' '))
