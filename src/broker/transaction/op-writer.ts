/**
 * Notes in the op queue that a half is used up: ended, or a copy stands for it.
 *
 * Where that fails the half is used up all the same, for as long as this process lives; after that its producer is asked once
 * more. Nobody waits for the disk: the log keeps its order, so that no op message outlives what it speaks of.
 */
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import { isInLog } from '../acks.ts'
import type { InternalPut, PutResult } from '../put/index.ts'
import type { Host } from '../send/record-encoder.ts'
import { PERM_READ_WRITE, type TopicTable } from '../topics/index.ts'
import { TOPIC } from '../topics/names.ts'
import { opOf } from './half-message.ts'
import type { TransactionState } from './transaction-state.ts'

export interface OpWriterDependencies {
  readonly state: TransactionState
  readonly puts: Pick<InternalPut, 'put'>
  readonly topics: TopicTable
  readonly storeHost: Host
  readonly clock: Clock
  readonly log: Log
}

export class OpWriter {
  private readonly deps: OpWriterDependencies

  constructor(deps: OpWriterDependencies) {
    this.deps = deps
  }

  ended(half: number): Promise<void> {
    return this.write(half, undefined)
  }

  replaced(half: number, copy: number): Promise<void> {
    this.deps.state.copies.replaced(half, copy)
    return this.write(half, copy)
  }

  private async write(half: number, copy: number | undefined): Promise<void> {
    const { puts, topics, clock, storeHost, state, log } = this.deps
    topics.createInternal({ topic: TOPIC.halfOp, queueNums: 1, perm: PERM_READ_WRITE })
    const result = await puts.put(opOf(half, clock.now(), storeHost, copy), { waits: false })
    if (isStored(result)) state.decided.add(result.queueOffset, [half])
    else {
      state.decided.decide(half)
      log.warn(`that half ${half} is used up is not noted: ${result.remark ?? result.status}`)
    }
  }
}

/** However late it is safe. */
export function isStored({ status }: PutResult): boolean {
  return isInLog(status)
}

/** It can never be stored, whatever happens. */
export function isIllegal({ status }: PutResult): boolean {
  return status === 'illegal' || status === 'tooLarge'
}
