/**
 * OFFSET_MOVED_EVENT: for each pull that is answered 21 ("go on elsewhere"), a message that says whose it was, from where and
 * to where. Monitoring reads them (mqadmin startMonitoring).
 *
 * Called by: pull-processor.ts, with 21 only. Nobody waits for an event: while the rings are full, or the store takes nothing,
 * it is left out, and the line in the log remains.
 * Form: as Apache 4.9.7 stores it (spec/broker-requests.md §7): queue 0, born and stored by the broker, KEYS and TAGS the group,
 * and a DELAY of 0. None on a slave, which stores nothing, and none where an administrator moved the offset, of which 4.9
 * knows nothing.
 */
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import { LimitedLog } from '../../remoting/limited-log.ts'
import type { Completion } from '../acks.ts'
import type { InternalPut } from '../put/index.ts'
import type { Host } from '../send/record-encoder.ts'
import { TOPIC } from '../topics/names.ts'
import type { PullRequest, ReadStatus } from './pull-request.ts'

export interface OffsetMovedOptions {
  settings: { readonly brokerName: string; readonly brokerRole: string }
  puts: Pick<InternalPut, 'tryPut'>
  storeHost: Host
  clock: Clock
  log: Log
}

const LINES_PER_SECOND = 10
/** Stand between and in the pairs of a properties text. */
const SEPARATORS = ['\u0001', '\u0002']
const NOBODY_WAITS: Completion = { stored() {} }

export class OffsetMoved {
  private readonly options: OffsetMovedOptions
  private readonly log: LimitedLog

  constructor(options: OffsetMovedOptions) {
    this.options = options
    this.log = new LimitedLog(options.log, LINES_PER_SECOND)
  }

  /** The pull was answered 21 and `offsetNew`. */
  tell({ consumerGroup, topic, queueId, queueOffset }: PullRequest, offsetNew: number, status: ReadStatus): void {
    if (status === 'OFFSET_RESET') return
    const { settings, puts, storeHost, clock } = this.options
    this.log.warn(
      `group ${consumerGroup} asked for ${topic} queue ${queueId} at ${queueOffset}, where nothing is (${status}), and is sent to ${offsetNew}`,
      { group: consumerGroup, topic, queueId, offsetRequest: queueOffset, offsetNew },
    )
    if (settings.brokerRole === 'SLAVE' || consumerGroup === '' || SEPARATORS.some((it) => consumerGroup.includes(it)))
      return
    const messageQueue = { brokerName: settings.brokerName, queueId, topic }
    const body = JSON.stringify({ consumerGroup, messageQueue, offsetNew, offsetRequest: queueOffset })
    puts.tryPut(
      {
        topic: TOPIC.offsetMoved,
        queueId: 0,
        body: Buffer.from(body),
        properties: `KEYS\u0001${consumerGroup}\u0002DELAY\u00010\u0002TAGS\u0001${consumerGroup}`,
        flag: 0,
        sysFlag: 0,
        bornTimestamp: clock.now(),
        bornHost: storeHost,
        reconsumeTimes: 0,
        preparedTransactionOffset: 0,
      },
      NOBODY_WAITS,
      0,
      false,
    )
  }
}
