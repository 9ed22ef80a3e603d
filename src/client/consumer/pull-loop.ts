/**
 * Pulls of one queue, one after the other, from the moment it is ours until it is dropped: each waits at the broker until there is
 * something (long polling), and the next one starts when its messages are in the process queue, not when they are consumed.
 *
 * Bounds:  no pull while more than the limits wait to be consumed.
 * Source:  spec/client-behaviour.md §6 "Pull loop".
 */
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import type { AssignedQueue } from './assigned-queue.ts'
import { isAnswered, type PullAnswer } from './consumer-calls.ts'
import type { Consumption } from './consumption.ts'
import { advance } from './offsets/index.ts'
import type { FlowLimits } from './process-queue.ts'
import type { ReceivedMessage } from './received-message.ts'
import type { ConsumerStats } from './stats.ts'
import type { Waits } from './waits.ts'

export interface PullLoopOptions {
  readonly pull: (assigned: AssignedQueue) => Promise<PullAnswer>
  /** Those that this group wants. */
  readonly wanted: (assigned: AssignedQueue, messages: ReceivedMessage[]) => ReceivedMessage[]
  readonly consumption: Pick<Consumption, 'isOrdered' | 'submit'>
  /** By how many queues there are, so it may change. */
  readonly limits: (assigned: AssignedQueue) => FlowLimits
  readonly pullIntervalMs: number
  /** Ordered and shared: the queue's lock comes first. */
  readonly needsLock: boolean
  /** What is consumed counts; else only with the user's commit. */
  readonly commitsAtOnce: boolean
  /** The progress at the broker, where somebody else may have gone on meanwhile. */
  readonly startOffset: (assigned: AssignedQueue) => Promise<number>
  /** 21: the offset is not in the queue; it is to be dropped, and taken up again at `nextOffset`. */
  readonly offsetMoved: (assigned: AssignedQueue, nextOffset: number) => void
  readonly isPaused: () => boolean
  /** The broker does not know the group or its subscription (any more): it is told now. */
  readonly introduce: () => Promise<void>
  readonly stats: ConsumerStats
  readonly waits: Waits
  readonly now: () => number
  readonly log: Log
}

const PAUSED_MS = 1000
const FULL_MS = 50
const NOT_LOCKED_MS = 3000
const FAILED_MS = 3000
const FLOW_CONTROL_MS = 20
const INTRODUCED_MS = 500
const STRANGER = [RESPONSE.SUBSCRIPTION_NOT_EXIST, RESPONSE.SUBSCRIPTION_NOT_LATEST]

/** Resolves when the queue is dropped or the consumer closed. */
export async function pullLoop(assigned: AssignedQueue, options: PullLoopOptions): Promise<void> {
  let wasLocked = false
  let pauseMs = 0
  for (;;) {
    if (pauseMs > 0 && !(await options.waits.wait(pauseMs))) return
    if (assigned.dropped) return
    assigned.process.lastPullAt = options.now()
    if (options.isPaused()) {
      pauseMs = PAUSED_MS
      continue
    }
    if (assigned.process.heldBackBy(options.limits(assigned), options.consumption.isOrdered) !== undefined) {
      if (!(await room(assigned, options))) return
      pauseMs = 0
      continue
    }
    if (options.needsLock) {
      if (!assigned.locked) {
        pauseMs = NOT_LOCKED_MS
        continue
      }
      if (!wasLocked && !(await goOnFromBroker(assigned, options))) {
        pauseMs = NOT_LOCKED_MS
        continue
      }
      wasLocked = true
    }
    pauseMs = await pullOnce(assigned, options)
    if (pauseMs === STOP) return
  }
}

const STOP = -1

/** Waits until half of the limit is consumed, at most 50 ms: the broker's answer comes while the other half still is. */
async function room(assigned: AssignedQueue, { limits, waits }: PullLoopOptions): Promise<boolean> {
  const { elapsed, wake } = waits.waitOrWake(FULL_MS)
  assigned.whenRoom(limits(assigned).count >> 1, wake)
  return await elapsed
}

/** The first pull under a lock: whoever had the queue before may have consumed more than was known when it became ours. */
async function goOnFromBroker(assigned: AssignedQueue, { startOffset, log }: PullLoopOptions): Promise<boolean> {
  try {
    const offset = await startOffset(assigned)
    if (offset !== assigned.nextOffset) {
      log.info('the first pull under the lock begins elsewhere', {
        ...assigned.queue,
        offset,
        was: assigned.nextOffset,
      })
      assigned.nextOffset = offset
    }
    return true
  } catch (error) {
    log.warn(`the offset of a queue that was locked cannot be asked for: ${describe(error)}`, { ...assigned.queue })
    return false
  }
}

/** Returns how long to wait before the next one. */
async function pullOnce(assigned: AssignedQueue, options: PullLoopOptions): Promise<number> {
  const { now, log } = options
  const began = now()
  let answer: PullAnswer
  try {
    answer = await options.pull(assigned)
  } catch (error) {
    if (assigned.dropped) return STOP
    log.warn(`a pull failed: ${describe(error)}`, { ...assigned.queue, offset: assigned.nextOffset })
    if (isAnswered(error, RESPONSE.FLOW_CONTROL)) return FLOW_CONTROL_MS
    if (!STRANGER.some((code) => isAnswered(error, code))) return FAILED_MS
    await options.introduce()
    return INTRODUCED_MS
  }
  if (assigned.dropped) return STOP
  try {
    return took(assigned, answer, now() - began, options)
  } catch (error) {
    // The same messages are pulled again.
    log.error(`what was pulled cannot be taken: ${describe(error)}`, { ...assigned.queue, offset: assigned.nextOffset })
    return FAILED_MS
  }
}

function took(assigned: AssignedQueue, answer: PullAnswer, elapsedMs: number, options: PullLoopOptions): number {
  const { stats, log } = options
  const { queue, process } = assigned
  if (answer.status === 'OFFSET_ILLEGAL') {
    log.warn('the offset of a queue is not there any more', {
      ...queue,
      offset: assigned.nextOffset,
      next: answer.nextBeginOffset,
    })
    options.offsetMoved(assigned, answer.nextBeginOffset)
    return STOP
  }
  const messages = answer.status === 'FOUND' ? options.wanted(assigned, answer.messages) : []
  assigned.nextOffset = answer.nextBeginOffset
  if (answer.status === 'FOUND') {
    stats.pulled(queue.topic, answer.messages.length, elapsedMs)
    if (messages.length > 0) {
      process.put(messages)
      process.seen(assigned.nextOffset)
      options.consumption.submit(assigned)
      return options.pullIntervalMs
    }
  }
  // Nothing of it was for us, so it is consumed.
  process.seen(assigned.nextOffset)
  if (options.commitsAtOnce && process.count === 0) advance(assigned.slot, process.committable())
  return 0
}
