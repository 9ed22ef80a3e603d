/**
 * Why nothing can be stored now, for whoever wants to store: sends of clients and messages of the broker's own.
 *
 *   stopping, a stage failed ─▶ refuse()                   for good
 *   append stands still ──────▶ stall-watch.ts             brokerFastFailureEnable, osPageCacheBusyTimeOutMills
 *   disk, queues, index ──────▶ flags in shared memory; the reasons follow as messages (setDiskProblem, setWriteProblem)
 *
 * Called by: the send processor, once a send; nothing is allocated while all is well.
 */
import { type ControlBlock, FLAGS } from '../concurrency/control-block.ts'
import type { Membership } from './replication/index.ts'
import { type Refusal, SEND_CODE } from './send/send-checks.ts'
import type { StallWatch } from './stall-watch.ts'

export interface AvailabilityOptions {
  settings: {
    readonly brokerRole: string
    readonly storePathRootDir: string
    readonly storePathCommitLog: string
    readonly mappedFileSizeCommitLog: number
  }
  control: ControlBlock
  stalls: Pick<StallWatch, 'refusal'>
  /** In a DLedger group: why this member takes nothing. */
  membership?: Pick<Membership, 'whyNoSends'> | undefined
}

export class StoreAvailability {
  private readonly options: AvailabilityOptions
  private closedBecause: string | undefined
  /** Why there is no room on the disk, while senders are refused for it. */
  private diskProblem: string | undefined
  /** Why ConsumeQueue or index cannot be written, while that is so. */
  private writeProblem: string | undefined

  constructor(options: AvailabilityOptions) {
    this.options = options
  }

  /** From now on everything is refused with this reason. */
  refuse(reason: string): void {
    this.closedBecause = reason
  }

  /** Why everything is refused. */
  get reason(): string {
    return this.closedBecause ?? 'a stage ended'
  }

  setDiskProblem(problem: string | undefined): void {
    this.diskProblem = problem
  }

  setWriteProblem(problem: string | undefined): void {
    this.writeProblem = problem
  }

  /** Undefined: it can be stored. A flag may be up a moment before its reason has come. */
  problem(): Refusal | undefined {
    if (this.closedBecause !== undefined) return notAvailable(this.closedBecause)
    const { control, settings, stalls } = this.options
    if (stalls.refusal !== undefined) return stalls.refusal
    if (settings.brokerRole === 'SLAVE') {
      return notAvailable(this.options.membership?.whyNoSends() ?? 'the broker is a slave')
    }
    if (control.flags === 0) return undefined
    if (control.hasFlag(FLAGS.flushFailed)) return notAvailable('fdatasync of the CommitLog failed')
    if (control.hasFlag(FLAGS.diskFull)) {
      const { storePathCommitLog: folder, mappedFileSizeCommitLog: bytes } = settings
      return notAvailable(this.diskProblem ?? `disk full: ${folder} has too little room for segments of ${bytes} bytes`)
    }
    if (control.hasFlag(FLAGS.dispatchFailed)) {
      const { storePathRootDir } = settings
      return notAvailable(this.writeProblem ?? `ConsumeQueue or index in ${storePathRootDir} cannot be written`)
    }
    return undefined
  }
}

function notAvailable(why: string): Refusal {
  return { code: SEND_CODE.serviceNotAvailable, remark: `service not available now. ${why}` }
}
