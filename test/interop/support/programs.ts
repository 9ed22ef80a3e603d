/** What the Java programs of test/interop/java say, as objects. */
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
}
export interface StoredRecord extends Received {
  topic: string
  physicalOffset: number
}
type Options = Record<string, string | number | boolean>

function start(scratch: Scratch, version: string, main: string, options: Options) {
  const args = Object.entries(options).map(([name, value]) => `${name}=${value}`)
  return runJava({ version, main, args, folder: scratch.sub(main.toLowerCase()) })
}

/** Options of Produce.java: namesrv, topic, count, seed, mode, max, threads. */
export function producer(scratch: Scratch, version: string, options: Options) {
  const program = start(scratch, version, 'Produce', options)
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

/** Options of Push.java: namesrv, topic, group, tags or sql, distinct, idle, orderly, from. */
export function pushConsumer(scratch: Scratch, version: string, options: Options) {
  const program = start(scratch, version, 'Push', options)
  return {
    program,
    async done(): Promise<Received[]> {
      const { status } = await program.ended
      if (status !== 0) throw new Error(`Push ended with ${status}: ${program.stderr}`)
      return program.of('GOT').map(([key, hash, queueId, queueOffset, tags, msgId, offsetMsgId]) => ({
        key,
        hash,
        queueId: Number(queueId),
        queueOffset: Number(queueOffset),
        tags,
        msgId,
        offsetMsgId,
      }))
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
