/**
 * Stores with something in them to damage, and the questions that a consumer would ask afterwards.
 *
 *   using folder = storeFolder()
 *   const store = await filledStore(folder.path)      // killed with 3000 messages in it
 *   flipBit(store.file('commitlog'), 4711)
 *   await using broker = await store.start()
 *   expect(await store.problems(broker)).toEqual([])
 */
import { closeSync, ftruncateSync, openSync, readdirSync, readSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { BrokerConfig } from '../../../src/config/index.ts'
import { segmentPath, segmentStart } from '../../../src/store/commitlog/index.ts'
import { records, TestClient } from '../../support/client.ts'
import { type BrokerProcess, type ProcessOptions, startBrokerProcess, TINY, until } from './broker-process.ts'
import { type JudgeOptions, judge, Ledger, Load, numberOf, positionsOf, QUEUES, readBack, TOPIC } from './load.ts'
import { positionsIn, verifyStore } from './verify-store.ts'

const QUERY_MESSAGE = 12
const COUNT = 3000
const BODY_BYTES = 256

export interface FilledStore {
  readonly folder: string
  readonly config: Partial<BrokerConfig>
  readonly ledger: Ledger
  start(more?: Partial<ProcessOptions>): Promise<BrokerProcess>
  /** Sends until so many more are acknowledged. */
  fill(broker: BrokerProcess, count: number): Promise<void>
  /** What the common criteria find wrong, from a consumer's side. */
  problems(broker: BrokerProcess, options?: JudgeOptions): Promise<string[]>
  /** What is wrong with the files; the broker has ended. */
  damage(): string[]
  /** Paths of the files of a kind, ascending: "commitlog", "index", "consumequeue/Faults/0". */
  files(kind: string): string[]
}

export interface FillOptions {
  config?: Partial<BrokerConfig>
  count?: number
  /** How it ends: SIGKILL unless said otherwise. */
  end?: 'kill' | 'stop'
}

export async function filledStore(folder: string, options: FillOptions = {}): Promise<FilledStore> {
  const config = { ...TINY, ...options.config }
  const ledger = new Ledger()
  const store: FilledStore = {
    folder,
    config,
    ledger,
    start: (more) => startBrokerProcess({ folder, config, ...more }),
    fill: (broker, count) => fill(broker, ledger, count),
    problems: async (broker, rules) => judge(ledger, await readBack(broker.address), rules),
    damage: () => verifyStore(folder, config as Required<typeof config>),
    files: (kind) => filesOf(join(folder, kind)),
  }
  await using broker = await store.start()
  await store.fill(broker, options.count ?? COUNT)
  await (options.end === 'stop' ? broker.stop() : broker.kill())
  return store
}

async function fill(broker: BrokerProcess, ledger: Ledger, count: number): Promise<void> {
  const load = new Load({ address: broker.address, ledger, bodyBytes: BODY_BYTES })
  load.start()
  await load.acknowledged(count)
  await load.stop()
}

/** Plain files of a folder, ascending by name. */
export function filesOf(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile())
  return entries.map(({ name }) => join(folder, name)).sort()
}

/** Numbers of the messages that the index finds under a key. */
export async function numbersByKey(address: string, key: string, topic = TOPIC): Promise<number[]> {
  const client = new TestClient(address)
  try {
    const ext = { topic, key, maxNum: '32', beginTimestamp: '0', endTimestamp: String(Date.now() + 3_600_000) }
    const answer = await client.invoke(QUERY_MESSAGE, ext)
    return records(answer.body).map((record) => numberOf(record!.body))
  } finally {
    await client.close()
  }
}

/** Keys of acknowledged messages that the index does not find, of a sample over the whole store. */
export async function keysNotFound(address: string, ledger: Ledger, sampleCount = 40): Promise<string[]> {
  const numbers = [...ledger.acknowledged.keys()]
  const step = Math.max(1, Math.floor(numbers.length / sampleCount))
  const lost: string[] = []
  for (let i = numbers.length - 1; i >= 0; i -= step) {
    const key = String(numbers[i])
    if (!(await numbersByKey(address, key)).includes(numbers[i])) lost.push(key)
  }
  return lost
}

/** Next queue offset of each queue. */
export async function maxOffsets(address: string, topic = TOPIC, queues = QUEUES): Promise<number[]> {
  const client = new TestClient(address)
  try {
    const offsets: number[] = []
    for (let queueId = 0; queueId < queues; queueId += 1) {
      const answer = await client.invoke(30, { topic, queueId: String(queueId) })
      offsets.push(Number(answer.ext?.offset))
    }
    return offsets
  } finally {
    await client.close()
  }
}

export function flipBit(path: string, at: number, bit = 3): void {
  patch(path, at, 1, (bytes) => {
    bytes[0] ^= 1 << bit
  })
}

export function overwrite(path: string, at: number, text: Uint8Array): void {
  patch(path, at, text.length, (bytes) => bytes.set(text))
}

export function truncate(path: string, size: number): void {
  const fd = openSync(path, 'r+')
  try {
    ftruncateSync(fd, size)
  } finally {
    closeSync(fd)
  }
}

export function bytesAt(path: string, at: number, length: number): Buffer {
  const fd = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(length)
    readSync(fd, bytes, 0, length, at)
    return bytes
  } finally {
    closeSync(fd)
  }
}

export function sizeOf(path: string): number {
  return statSync(path).size
}

/** Log lines (JSON) of a broker. */
export function logLines(broker: BrokerProcess): { level: number; msg: string; [field: string]: unknown }[] {
  return broker.log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
}

/** Warnings and errors, with their fields, as text. */
export function complaints(broker: BrokerProcess): string[] {
  return logLines(broker)
    .filter(({ level }) => level >= 40)
    .map((line) => JSON.stringify(line))
}

function patch(path: string, at: number, length: number, change: (bytes: Buffer) => void): void {
  const fd = openSync(path, 'r+')
  try {
    const bytes = Buffer.alloc(length)
    readSync(fd, bytes, 0, length, at)
    change(bytes)
    writeSync(fd, bytes, 0, length, at)
  } finally {
    closeSync(fd)
  }
}

/** Kills a broker whose last word in basalt/positions is the whole truth; returns the end of its log. */
export async function killIdle(broker: BrokerProcess): Promise<number> {
  const appended = await whenIdle(broker)
  await broker.kill()
  return appended
}

/** Waits until everything is dispatched and basalt/positions says so; returns the end of the log. */
export async function whenIdle(broker: BrokerProcess): Promise<number> {
  const client = new TestClient(broker.address)
  try {
    const { appended } = await positionsOf(client)
    await until(() => {
      const marks = positionsIn(broker.folder)
      return marks !== undefined && marks.appended === appended && marks.dispatched === appended
    }, 30_000)
    return appended
  } finally {
    await client.close()
  }
}

/** File and byte in it of an offset of the log. */
export function placeInLog(
  folder: string,
  config: Partial<BrokerConfig>,
  offset: number,
): { path: string; at: number } {
  const start = segmentStart(offset, config.mappedFileSizeCommitLog!)
  return { path: segmentPath(join(folder, 'commitlog'), start), at: offset - start }
}
