/** Stores to look into: recorded ones of Apache's, one of ours, and what a command printed about them. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { World } from '../cli/support.ts'

const STORE = new URL('../vectors/rocketmq-4.9.8/store/', import.meta.url)

function vector(name: string): string {
  return readFileSync(fileURLToPath(new URL(name, STORE)), 'utf8')
}

const lines = <T>(name: string): T[] =>
  vector(name)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)

/** One record as an independent decoder wrote it down. */
export interface DecodedRecord {
  at: number
  size: number
  topic: string
  queueId: number
  queueOffset: number
  physicalOffset: number
  sysFlag: number
  flag: number
  bodyCRC: number
  bornTimestamp: number
  bornHost: string
  storeTimestamp: number
  storeHost: string
  reconsumeTimes: number
  preparedTransactionOffset: number
  storedBodyLength: number
  bodyBase64?: string
  /** Text as stored. */
  properties: string
}

export interface DecodedUnit {
  topic: string
  queueId: number
  index: number
  commitLogOffset: number
  size: number
  tagsCode: string
}

/** Without the blanks and the end, which have no topic. */
export const decodedRecords = (): DecodedRecord[] =>
  lines<DecodedRecord>('decoded/records.jsonl').filter(({ topic }) => topic !== undefined)
export const decodedUnits = (): DecodedUnit[] => lines<DecodedUnit>('decoded/consumequeue.jsonl')

export interface Ran {
  status: number
  printed: string
  complained: string
  /** One object a line of `--json`. */
  objects(): Record<string, unknown>[]
}

/** `basaltmq inspect …` in this process. */
export async function inspect(...argv: string[]): Promise<Ran> {
  const world = new World()
  const status = await world.run('inspect', ...argv)
  const { printed, complained } = world
  const objects = () =>
    printed
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  return { status, printed, complained, objects }
}
