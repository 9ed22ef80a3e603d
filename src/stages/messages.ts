/**
 * What threads say to each other besides the rings: start, failure, log lines, and the few requests that are too rare
 * to be bytes in a ring. Workers read their port with receiveMessageOnPort() at each pass of their loop, because a
 * thread that sleeps in Atomics.wait gets no events.
 */
import type { MessagePort } from 'node:worker_threads'
import type { DLedgerState, FoundLog, Role } from '../dledger/index.ts'
import type { LinkState, SlaveState } from '../ha/index.ts'
import type { TopicFilter } from '../store/dispatch/index.ts'
import type { StoreSettings } from '../store/settings.ts'

export type StageName = 'append' | 'flush' | 'housekeeping' | 'dispatch' | 'ha' | 'dledger'

/** A queue as recovery found it. `queue` is its integer. */
export interface KnownQueue {
  queue: number
  topic: string
  queueId: number
  /** Next queue offset (append), and end of its ConsumeQueue (dispatch). */
  nextOffset: number
  /** Units in its files, and end of the record that the last one points at; dispatch looks for itself without them. */
  end?: number
  maxPhysical?: number
}

/** What a stage is made of. */
export interface StageStart {
  stage: StageName
  control: SharedArrayBuffer
  queues: SharedArrayBuffer
  submit: SharedArrayBuffer
  acks: SharedArrayBuffer
  definitions: SharedArrayBuffer
  arrivals: SharedArrayBuffer
  stageClock: SharedArrayBuffer
  appendHistory: SharedArrayBuffer
  faults: SharedArrayBuffer | undefined
  settings: StoreSettings
  knownQueues: KnownQueue[]
  /** Handle of the network thread's waker (native). */
  waker: bigint
  port: MessagePort
}

/** workerData: threads start while the store is recovered, and hear of its queues by `begin` where they are left out. */
export type StageSpawn = Omit<StageStart, 'knownQueues'> & { knownQueues?: KnownQueue[] }

/** Stage → main. */
export type FromStage =
  | { kind: 'ready' }
  | { kind: 'ended' }
  | { kind: 'failed'; code: string; message: string; stack: string | undefined }
  | { kind: 'log'; level: 'info' | 'warn' | 'error'; message: string; fields: Record<string, unknown> | undefined }
  /** Dispatch met a queue that the network has not defined. */
  | { kind: 'discovered'; topic: string; queueId: number; maxOffset: number }
  /** Dispatch has removed the files of a deleted topic's queue. */
  | { kind: 'forgotten'; queue: number; topic: string; queueId: number }
  /** Housekeeping wrote a metadata file, or could not. */
  | { kind: 'persisted'; ticket: number; error: string | undefined }
  /** Housekeeping removes what is below this offset: within the hour, at the next deleteWhen, or now for want of room. */
  | { kind: 'expiring'; below: number }
  /** Housekeeping, for DLedger: data files below may go. */
  | { kind: 'retire'; below: number; isOverLimit: boolean }
  /** Housekeeping removed segments below this offset. */
  | { kind: 'retired'; below: number }
  /** Dispatch: why queues or index cannot be written (FLAGS.dispatchFailed is up), or undefined: they can again. */
  | { kind: 'unwritable'; problem: string | undefined }
  /** Dispatch sets the bits of these filters from this place of the log on. */
  | { kind: 'filtersTaken'; version: number; position: number }
  /** Housekeeping: why senders are refused for lack of room (FLAGS.diskFull is up), or undefined: room has come. */
  | { kind: 'disk'; problem: string | undefined }
  /** HA: the port for slaves; before `ready`. */
  | { kind: 'haListening'; port: number }
  /** HA: who follows this broker, and on a slave how the link to the master is. */
  | { kind: 'replication'; slaves: SlaveState[]; link: { master: string; state: LinkState } | undefined }
  /** HA, on a slave: is the master's log this one? */
  | { kind: 'haVerify' }
  /** HA: nobody waits for slaves any more, and nothing comes from a master. */
  | { kind: 'haLeft' }
  /** HA, inside a fence: an empty store is to begin at this offset. Housekeeping: it does, or why not. */
  | { kind: 'rebase'; to: number }
  | { kind: 'rebased'; error: string | undefined }
  /**
   * DLedger: what this member is in its group. `isReady`: it leads, and all that was in its log is committed and dispatched: it
   * takes messages, under the epoch that the control block has by then.
   */
  | { kind: 'dledgerRole'; role: Role; term: number; leaderId: string | undefined; isReady: boolean }
  /** DLedger, each second and with each role: for the runtime table. Positions of entries, as the log's. */
  | { kind: 'dledgerState'; state: DLedgerState }

/** Main → stage. */
export type ToStage =
  /** DLedger: files that end at or below this position may go, even those that a follower lacks where the disk is over its limit. */
  | { kind: 'retire'; below: number; isOverLimit: boolean }
  /** All: the store is recovered, the positions are set. The first message. */
  | { kind: 'begin'; knownQueues: KnownQueue[]; dledger?: FoundLog | undefined }
  /** Housekeeping: write `text` to config/<file> durably (temporary file, sync, rename, folder sync, .bak kept). */
  | { kind: 'persist'; ticket: number; file: string; text: string }
  /** Housekeeping, flush: these settings have changed. */
  | { kind: 'settings'; values: Partial<StoreSettings> }
  /** Housekeeping: delete expired segments now, whatever the hour. */
  | { kind: 'clean' }
  /** Housekeeping: an integer stands for this queue from now on. */
  | { kind: 'defined'; queue: number; topic: string; queueId: number }
  /** The queue's topic is deleted: dispatch removes its files once it has passed the last record, at `below`. */
  | { kind: 'forget'; queue: number; topic: string; queueId: number; below: number }
  /** Dispatch: the SQL92 filters whose bits ConsumeQueueExt units get, all of them. */
  | { kind: 'filters'; version: number; filters: TopicFilter[] }
  /** HA, DLedger: the end; the others look at the word `stop`. */
  | { kind: 'stop' }
  /** HA: the broker stops. */
  | { kind: 'haLeave' }
  /** HA, on a slave: the master's HA address. */
  | { kind: 'haMaster'; address: string }
  /** HA, on a slave: why the master's log is another one; undefined where it is this one, or nobody can tell. */
  | { kind: 'haVerified'; other: string | undefined }
  /** Housekeeping: makes the empty store begin at this offset. HA: what became of it. */
  | { kind: 'rebase'; to: number }
  | { kind: 'rebased'; error: string | undefined }
