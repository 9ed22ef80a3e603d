/** What the Java programs of test/interop/java say, as objects. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runJava } from '../../../tools/apache/java.mjs'
import type { Scratch } from './systems.ts'

export interface Acknowledged {
  key: string
  hash: string
  queueId: number
  queueOffset: number
  offsetMsgId: string
  msgId: string
}
export interface Received extends Acknowledged {
  tags: string
  /** Milliseconds from its creation to the listener. */
  ageMs: number
}
/** One try of Retry.java. */
export interface Try {
  key: string
  hash: string
  topic: string
  reconsumeTimes: number
  storeTimestamp: number
  now: number
  msgId: string
  properties: string
}
export interface StoredRecord extends Acknowledged {
  tags: string
  topic: string
  physicalOffset: number
}
type Options = Record<string, string | number | boolean>

/** `java`: arguments of the JVM. */
function start(
  scratch: Scratch,
  version: string,
  main: string,
  options: Options,
  java: string[] = [],
  folder = scratch.sub(main.toLowerCase()),
) {
  const args = Object.entries(options).map(([name, value]) => `${name}=${value}`)
  return runJava({ version, main, args, folder, java })
}

/** Options of Produce.java: namesrv, topic, count, seed, mode, max, threads, accessKey, secretKey, tries, delay. */
export function producer(scratch: Scratch, version: string, options: Options, java?: string[]) {
  const program = start(scratch, version, 'Produce', options, java)
  return {
    program,
    async done() {
      const { status } = await program.ended
      if (status !== 0) throw new Error(`Produce ended with ${status}: ${program.stderr}`)
      return { acknowledged: program.of('ACK').map(acknowledged), sent: program.of('SENT'), tries: program.of('TRY') }
    },
  }
}

/** Options of Select.java: namesrv, topic, group, mode (pull, lite), tags or sql, distinct, idle. */
export async function select(scratch: Scratch, version: string, options: Options) {
  const program = start(scratch, version, 'Select', options)
  const { status } = await program.ended
  if (status !== 0) throw new Error(`Select ended with ${status}: ${program.stderr}`)
  const [refused] = program.of('REFUSED')
  return { keys: program.of('GOT').map(([key]) => key), refused: refused?.join(' ') }
}

/**
 * Options of Push.java: namesrv, topic, group, tags or sql, distinct, idle, orderly, from, broadcast, instance, accessKey, secretKey.
 * `folder`: its home, one of its own by default.
 */
export function pushConsumer(scratch: Scratch, version: string, options: Options, java?: string[], folder?: string) {
  const program = start(scratch, version, 'Push', options, java, folder)
  const received = () =>
    program.of('GOT').map(
      ([key, hash, queueId, queueOffset, tags, msgId, offsetMsgId, born, now]): Received => ({
        ...{ key, hash, tags, msgId, offsetMsgId },
        queueId: Number(queueId),
        queueOffset: Number(queueOffset),
        ageMs: Number(now) - Number(born),
      }),
    )
  return {
    program,
    received,
    async done(): Promise<Received[]> {
      const { status } = await program.ended
      if (status !== 0) throw new Error(`Push ended with ${status}: ${program.stderr}`)
      return received()
    },
  }
}

/** Options of Retry.java: namesrv, topic, group, fail, orderly, max, level, gots, linger, idle. */
export function failingConsumer(scratch: Scratch, version: string, options: Options) {
  const program = start(scratch, version, 'Retry', options)
  return {
    program,
    async done(): Promise<Try[]> {
      const { status } = await program.ended
      if (status !== 0) throw new Error(`Retry ended with ${status}: ${program.stderr}`)
      return program.of('GOT').map(([key, hash, topic, reconsumeTimes, storeTimestamp, now, msgId, properties]) => ({
        ...{ key, hash, topic, msgId, properties },
        reconsumeTimes: Number(reconsumeTimes),
        storeTimestamp: Number(storeTimestamp),
        now: Number(now),
      }))
    },
  }
}

export interface HalfSent extends Acknowledged {
  /** COMMIT_MESSAGE, ROLLBACK_MESSAGE or UNKNOW: what its local transaction said. */
  decision: string
}
export interface Checked {
  key: string
  hash: string
  /** What the producer said this time. */
  answer: string
  checkTimes: number
  msgId: string
  offsetMsgId: string
  queueOffset: number
  topic: string
  queueId: number
}

/** Options of Transact.java: namesrv, topic, group, count, seed, plan, checks, orphans, after, immunity, trace, idle, asks, waits. */
export function transactions(scratch: Scratch, version: string, options: Options) {
  const program = start(scratch, version, 'Transact', options)
  const halves = () =>
    program
      .of('HALF')
      .map(([key, hash, decision, ...rest]): HalfSent => ({ ...acknowledged([key, hash, ...rest]), decision }))
  const checks = () =>
    program.of('CHECK').map(
      ([key, hash, answer, times, msgId, offsetMsgId, queueOffset, topic, queueId]): Checked => ({
        ...{ key, hash, answer, checkTimes: Number(times), msgId, offsetMsgId, topic },
        ...{ queueOffset: Number(queueOffset), queueId: Number(queueId) },
      }),
    )
  return {
    program,
    halves,
    checks,
    async done() {
      const { status } = await program.ended
      if (status !== 0) throw new Error(`Transact ended with ${status}: ${program.stderr}`)
      return { halves: halves(), checks: checks(), tries: program.of('TRY') }
    },
  }
}

/** Options of Ask.java: namesrv, topic, group, role (ask, answer), count, timeout, mode, idle, late. */
export function asking(scratch: Scratch, version: string, options: Options) {
  const program = start(scratch, version, 'Ask', options)
  return {
    program,
    async done() {
      const { status } = await program.ended
      if (status !== 0) throw new Error(`Ask ended with ${status}: ${program.stderr}`)
      return { replies: program.of('REPLY'), failed: program.of('FAILED'), replied: program.of('REPLIED') }
    },
  }
}

/** Reads topics whole, by queue, and looks every n-th message up by id and by key. */
export async function readAll(scratch: Scratch, version: string, options: Options) {
  const program = start(scratch, version, 'ReadAll', options)
  const { status } = await program.ended
  if (status !== 0) throw new Error(`ReadAll ended with ${status}: ${program.stderr}`)
  const records = program.of('REC').map(
    ([topic, queueId, queueOffset, physicalOffset, key, hash, msgId, offsetMsgId, tags]): StoredRecord => ({
      topic,
      queueId: Number(queueId),
      queueOffset: Number(queueOffset),
      physicalOffset: Number(physicalOffset),
      key,
      hash,
      msgId,
      offsetMsgId,
      tags,
    }),
  )
  const [done] = program.of('DONE')
  return { records, lookups: Number(done[1]), bad: program.of('BAD').map((fields) => fields.join(' ')) }
}

function acknowledged([key, hash, queueId, queueOffset, offsetMsgId, msgId]: string[]): Acknowledged {
  return { key, hash, queueId: Number(queueId), queueOffset: Number(queueOffset), offsetMsgId, msgId }
}

/** key → hash; a key that comes with two hashes is an error. */
export function hashes(list: readonly { key: string; hash: string }[]): Map<string, string> {
  const map = new Map<string, string>()
  for (const { key, hash } of list) {
    const before = map.get(key)
    if (before !== undefined && before !== hash) throw new Error(`${key} came with two bodies: ${before} and ${hash}`)
    map.set(key, hash)
  }
  return map
}

/** What is wrong with `received`, when every acknowledged message must be in it: up to ten lines. */
export function differences(sent: Map<string, string>, received: Map<string, string>): string[] {
  const found: string[] = []
  for (const [key, hash] of sent) {
    const there = received.get(key)
    if (there === undefined) found.push(`${key} is missing`)
    else if (there !== hash) found.push(`${key} has another body`)
  }
  for (const key of received.keys()) if (!sent.has(key)) found.push(`${key} was never sent`)
  return found.slice(0, 10)
}

/** Queues whose offsets are not 0, 1, 2 … : a hole, or one given out twice. */
export function holes(records: readonly StoredRecord[]): string[] {
  const next = new Map<string, number>()
  const found: string[] = []
  for (const record of records) {
    const queue = `${record.topic}/${record.queueId}`
    const expected = next.get(queue) ?? record.queueOffset
    if (record.queueOffset !== expected) found.push(`${queue}: ${record.queueOffset} after ${expected - 1}`)
    next.set(queue, record.queueOffset + 1)
  }
  return found
}

export interface SteadyMessage {
  key: string
  hash: string
  broker: string
  queueId: number
}

/** Options of Steady.java: namesrv, topic, group, seed, pause, poll, heartbeat. Sends and receives until it is told to stop. */
export function steadyClients(scratch: Scratch, version: string, options: Options) {
  const stop = join(scratch.sub('steady-stop'), 'stop')
  const program = start(scratch, version, 'Steady', { ...options, stop })
  const messages = (kind: string) =>
    program
      .of(kind)
      .map(([key, hash, broker, queueId]): SteadyMessage => ({ key, hash, broker, queueId: Number(queueId) }))
  return {
    program,
    acknowledged: () => messages('ACK'),
    received: () => messages('GOT'),
    /** Brokers that are pulled from now, by commas. */
    pullsFrom: () => program.of('QUEUES').at(-1)?.[0] ?? '',
    /** Sends that failed in spite of all tries of the client. */
    failed: () => program.of('FAIL').map((fields) => fields.join(' ')),
    /** Waits until so many more are acknowledged, by that broker where one is named. */
    async more(count: number, broker?: string, timeoutMs = 30_000): Promise<void> {
      const seen = () => program.of('ACK').filter((fields) => broker === undefined || fields[2] === broker).length
      const target = seen() + count
      const end = performance.now() + timeoutMs
      while (seen() < target) {
        if (performance.now() > end)
          throw new Error(`${seen()} of ${target} ${broker ?? ''} in ${timeoutMs} ms: ${program.stderr}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    async stop() {
      writeFileSync(stop, '')
      const { status } = await program.ended
      if (status !== 0) throw new Error(`Steady ended with ${status}: ${program.stderr}`)
    },
  }
}
