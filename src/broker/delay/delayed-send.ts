/**
 * A send with DELAY > 0 waits in SCHEDULE_TOPIC_XXXX, queue level − 1: what changes in its record.
 *
 *   topic T, queue 2, DELAY 30      ─▶  SCHEDULE_TOPIC_XXXX, queue 17 (18 levels)
 *                                       DELAY 18, REAL_TOPIC T, REAL_QID 2, and WAIT, which others lose
 *
 * When it is due: due.ts. Not on the path of other sends.
 * Rules: spec/broker-requests.md §3 "Storing" and §11, spec/store-format.md §2 "delayed".
 */
import type { SendFields } from '../../remoting/hot/send-fields.ts'
import { SYS_FLAG } from '../../store/commitlog/record.ts'
import { withProperties } from '../put/property-text.ts'
import type { RewrittenProperties } from '../send/properties-rewrite.ts'
import { type Refusal, SEND_CODE } from '../send/send-checks.ts'

/** True where a DELAY that is not 0 has a meaning: not for halves (prepared), rollbacks, and negative levels. */
export function isDelayed(rewritten: RewrittenProperties, sysFlag: number): boolean {
  const type = sysFlag & SYS_FLAG.transactionMask
  if (type !== 0 && type !== SYS_FLAG.commit) return false
  // NaN: a text that is no integer.
  return !(rewritten.delayLevel <= 0)
}

/** Queue of the level, and the level that is stored: none is above the configured ones. */
export function capLevel(level: number, levelCount: number): number {
  return Math.min(level, levelCount)
}

/**
 * Rewrites the properties in `fields` (as rewriteProperties left them) for the schedule topic. A refusal where that cannot
 * be.
 */
export function delayProperties(
  fields: SendFields,
  rewritten: RewrittenProperties,
  levelCount: number,
  topic: string,
  queueId: number,
): Refusal | undefined {
  const { properties } = fields
  // As bytes: what a client wrote is kept, whatever its encoding.
  const text = properties.toString('latin1', 0, rewritten.length)
  if (Number.isNaN(rewritten.delayLevel)) {
    return { code: SEND_CODE.systemError, remark: 'the property DELAY is no integer: it is a level, 1 is the first' }
  }
  const level = capLevel(rewritten.delayLevel, levelCount)
  const delayed = withProperties(text, {
    ...(level === rewritten.delayLevel ? {} : { DELAY: String(level) }),
    ...(rewritten.hasWait ? { WAIT: String(rewritten.waits) } : {}),
    REAL_TOPIC: topic,
    REAL_QID: String(queueId),
  })
  if (delayed.length > properties.length) {
    return {
      code: SEND_CODE.messageIllegal,
      remark: `the message is illegal: its properties have ${delayed.length} bytes`,
    }
  }
  properties.write(delayed, 'latin1')
  rewritten.length = delayed.length
  rewritten.delayLevel = level
  return undefined
}
