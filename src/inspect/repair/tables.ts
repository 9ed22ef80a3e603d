/** Tables and checkpoint as they should be: made in a folder of their own, from what is there. */
import { mkdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { CHECKPOINT_SIZE } from '../../store/checkpoint/checkpoint-file.ts'
import { queueFileSize, walkQueue } from '../../store/consumequeue/index.ts'
import { SCHEDULE_TOPIC } from '../../store/dispatch/index.ts'
import { readIndexHeader } from '../../store/index/index.ts'
import { writeSynced } from '../../store/metadata/durable-file.ts'
import { FOLDERS } from '../../store/settings.ts'
import type { LogBounds } from '../log-end.ts'
import type { InspectedStore } from '../open-store.ts'
import { entriesOf, isObject, numberOf, readTables } from '../tables.ts'
import { tryRead } from '../try-read.ts'

export interface MadeFile {
  path: string
  made: string
  /** What it says that the former one did not. */
  changes: string[]
}

/** Offsets that are beyond their queue, set to its end. Only tables that change. */
export function offsetsWithin(store: InspectedStore, into: string, logEnd: number): MadeFile[] {
  const ends = new Map<string, number>()
  const endOf = (topic: string, queueId: number): number | undefined => {
    const key = `${topic}/${queueId}`
    const queue = store.files.queues.find((each) => each.topic === topic && each.queueId === queueId)
    if (queue === undefined || queue.files.length === 0) return undefined
    const end = ends.get(key) ?? walkQueue(queue.folder, queueFileSize(store.settings), logEnd).end
    ends.set(key, end)
    return end
  }
  const tables = readTables(store.root)
  const made: MadeFile[] = []
  for (const name of ['consumerOffset.json', 'delayOffset.json'] as const) {
    const table = tables.get(name)
    const { content, path } = table!
    if (content === undefined || !isObject(content.offsetTable)) continue
    const changes: string[] = []
    const lower = (queues: Record<string, unknown>, key: string, who: string, topic: string, queueId: number) => {
      const offset = numberOf(queues[key])
      const end = endOf(topic, queueId)
      if (offset === undefined || end === undefined || offset <= end) return
      queues[key] = end
      changes.push(`${who}: ${topic} queue ${queueId} from ${offset} to ${end}`)
    }
    for (const [key, value] of entriesOf(content.offsetTable)) {
      if (name === 'delayOffset.json') {
        if (/^\d+$/.test(key)) lower(content.offsetTable, key, `delay level ${key}`, SCHEDULE_TOPIC, Number(key) - 1)
        continue
      }
      const at = key.indexOf('@')
      if (at <= 0 || !isObject(value)) continue
      for (const queue of Object.keys(value))
        if (/^\d+$/.test(queue)) lower(value, queue, `group ${key.slice(at + 1)}`, key.slice(0, at), Number(queue))
    }
    if (changes.length === 0) continue
    made.push({ path, made: makeFile(into, basename(path), JSON.stringify(content, undefined, '\t')), changes })
  }
  return made
}

export function tableFromBak(into: string, path: string, bak: string): MadeFile {
  const made = makeFile(into, basename(path), readFileSync(bak))
  return { path, made, changes: [`from ${bak}`] }
}

/**
 * The times of what is there. After a crash the queues may be behind the log: their time stays, unless they were all `built`. The
 * two numbers of 5.x stay where they can be right.
 */
export function checkpointOf(
  store: InspectedStore,
  into: string,
  { lastTime, end }: Pick<LogBounds, 'lastTime' | 'end'>,
  indexFiles: readonly string[],
  isBuilt: boolean,
): MadeFile {
  const path = join(store.root, 'checkpoint')
  const former = tryRead(() => readFileSync(path))
  const bytes = Buffer.alloc(CHECKPOINT_SIZE)
  for (const at of [24, 32]) {
    const offset = former !== undefined && former.length >= at + 8 ? former.readBigInt64BE(at) : 0n
    if (offset > 0n && offset <= BigInt(end)) bytes.writeBigInt64BE(offset, at)
  }
  const { logicsMsgTimestamp } = store.checkpoint
  const logics = !store.isUnclean || isBuilt ? lastTime : logicsMsgTimestamp <= lastTime ? logicsMsgTimestamp : 0
  const newest = indexFiles.at(-1)
  const index = newest === undefined ? 0 : (tryRead(() => readIndexHeader(newest))?.endTimestamp ?? 0)
  bytes.writeBigInt64BE(BigInt(lastTime), 0)
  bytes.writeBigInt64BE(BigInt(logics), 8)
  bytes.writeBigInt64BE(BigInt(Math.max(0, Math.min(index, lastTime))), 16)
  return {
    path,
    made: makeFile(into, 'checkpoint', bytes),
    changes: [`log ${lastTime}, queues ${logics}, index ${index}`],
  }
}

function makeFile(into: string, name: string, content: string | Uint8Array): string {
  const folder = join(into, FOLDERS.config)
  mkdirSync(folder, { recursive: true })
  const path = join(folder, name)
  writeSynced(path, content)
  return path
}
