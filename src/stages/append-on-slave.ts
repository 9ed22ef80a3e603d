/**
 * Append on a slave. The log is written by the HA thread (ha/log-receiver.ts); what is left are the network thread's definitions of
 * queues, the fence, and word of new segments.
 *
 * Owns:      nothing. Runs in the place of AppendStage (stages/append.ts) while brokerRole is SLAVE.
 * Blocks on: nothing.
 */
import { RingConsumer, RingProducer } from '../concurrency/byte-ring.ts'
import { answerFence, FENCE } from '../concurrency/fence.ts'
import { wakeNetwork } from '../native/index.ts'
import type { StageStart } from './messages.ts'
import { ACK, ACK_STATUS, SUBMIT, SUBMIT_KIND } from './ring-records.ts'
import type { Stage, StageRuntime } from './run-stage.ts'
import { wakeHa } from './wake-others.ts'

const IDLE_MS = 1000

export class AppendOnSlaveStage implements Stage {
  readonly idleMs = IDLE_MS
  private readonly waker: bigint
  private readonly runtime: StageRuntime
  private readonly submit: RingConsumer
  private readonly acks: RingProducer
  private allocated = 0

  constructor(start: StageStart, runtime: StageRuntime) {
    this.waker = start.waker
    this.runtime = runtime
    this.submit = new RingConsumer(start.submit)
    this.acks = new RingProducer(start.acks)
  }

  hasWork(): boolean {
    const { control } = this.runtime
    if (control.fence === FENCE.closing || this.submit.hasNext()) return true
    return control.load('allocated') !== this.allocated
  }

  step(): number {
    const { control } = this.runtime
    const allocated = control.load('allocated')
    if (allocated !== this.allocated) {
      // Housekeeping wakes this thread when a segment is there; the HA thread may wait for it.
      this.allocated = allocated
      wakeHa(control)
    }
    const taken = this.takeSubmitted()
    if (taken === 0 && control.fence === FENCE.closing) answerFence(control)
    return taken
  }

  close(): void {}

  /** The network sends no records: a slave takes none. */
  private takeSubmitted(): number {
    const { submit, acks } = this
    let taken = 0
    for (let at = submit.next(); at >= 0; at = submit.next()) {
      if (submit.view.getInt32(at + SUBMIT.kind, true) !== SUBMIT_KIND.define) {
        const ack = acks.claim(ACK.size)
        if (ack < 0) {
          submit.putBack(at)
          break
        }
        for (const field of [ACK.physicalOffset, ACK.end, ACK.queueOffset, ACK.storeTimestamp]) {
          acks.view.setFloat64(ack + field, 0, true)
        }
        acks.view.setInt32(ack + ACK.status, ACK_STATUS.oldEpoch, true)
        acks.view.setInt32(ack + ACK.sample, -1, true)
      }
      taken += 1
    }
    if (taken === 0) return 0
    acks.commit()
    submit.release()
    wakeNetwork(this.waker)
    return taken
  }
}
