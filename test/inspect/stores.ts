/** Stores to look into: recorded ones of Apache's, one of ours, and what a command printed about them. */
import { readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ControlBlock } from '../../src/concurrency/control-block.ts'
import { openStore } from '../../src/inspect/index.ts'
import { logBounds } from '../../src/inspect/log-end.ts'
import { ChecksumKeeper, loadBlockHash } from '../../src/store/checksums/index.ts'
import { World } from '../cli/support.ts'
import { capturedLog, storeSettings } from '../store/scratch.ts'

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
  const { printed, complained, cwd } = world
  rmSync(cwd, { recursive: true, force: true })
  const objects = () =>
    printed
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  return { status, printed, complained, objects }
}

/** Side checksums of what is sealed, as a broker writes them. Sizes of files are those of the recorded stores unless said. */
export async function hashSealed(root: string, changes: Parameters<typeof storeSettings>[1] = {}): Promise<void> {
  const control = ControlBlock.create()
  control.writer('flushed').reset(logBounds(openStore(root)).end)
  const log = capturedLog()
  const keeper = new ChecksumKeeper({
    settings: storeSettings(root, changes),
    control,
    hash: await loadBlockHash(),
    log,
  })
  while (keeper.step().bytes > 0) {}
  keeper.close()
  if (log.lines.length > 0) throw new Error(log.lines.map(({ message }) => message).join('; '))
}
