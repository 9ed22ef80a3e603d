/**
 * What request processors may ask of the store, from the network thread. Nothing here blocks on a cold page: what may
 * touch the disk is a promise that the pool fulfils. Offsets and times are numbers (bytes, units, milliseconds).
 */
import type { ListedUnit, UnitPlace } from './consumequeue/index.ts'

export type { ListedUnit, UnitPlace }

export interface KeyQuery {
  topic: string
  key: string
  maxNum: number
  /** Store times, milliseconds, both inclusive. */
  beginTimestamp: number
  endTimestamp: number
}

export interface KeyQueryResult {
  /** Whole records (spec/store-format.md §2), ascending by physical offset. */
  records: Uint8Array[]
  indexLastUpdateTimestamp: number
  indexLastUpdatePhyoffset: number
}

export interface MessageStore {
  /** Next queue offset that a consumer could see; 0 for a queue that nobody wrote. */
  queueMax(topic: string, queueId: number): number
  /** Smallest queue offset whose record may still exist. */
  queueMin(topic: string, queueId: number): number
  /** True while the record at this queue offset lies within accessMessageInMemoryMaxRatio of RAM from the log's end. */
  isInMemory(topic: string, queueId: number, queueOffset: number): boolean
  /** Queue offset by store time (broker-requests.md §8, code 29). */
  offsetByTime(topic: string, queueId: number, timestamp: number): Promise<number>
  /** Store time of the record at a queue offset, or -1. */
  storeTimeAt(topic: string, queueId: number, queueOffset: number): Promise<number>
  /** The same for many. */
  storeTimesAt(places: readonly UnitPlace[]): Promise<readonly number[]>
  /** Physical offsets of the records at queue offsets, -1 where none is. */
  physicalOffsetsAt(places: readonly UnitPlace[]): Promise<readonly number[]>
  /** Units of a queue from a queue offset on, at most `count`; undefined when there is no such queue. */
  units(topic: string, queueId: number, from: number, count: number): Promise<ListedUnit[]> | undefined
  /** One whole record by physical offset, or undefined where none starts. */
  view(physicalOffset: number): Promise<Uint8Array | undefined>
  queryByKey(query: KeyQuery): Promise<KeyQueryResult>
  /** Smallest and next physical offset of the log. */
  logMin(): number
  logMax(): number
  /** Bytes appended and not yet in ConsumeQueue and IndexFile. */
  dispatchBehindBytes(): number
}
