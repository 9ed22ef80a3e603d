/**
 * Where a half message is stored in the place of its topic: RMQ_SYS_TRANS_HALF_TOPIC, queue 0, with REAL_TOPIC and REAL_QID
 * behind its properties, WAIT among them again, and without a transaction type, so that it gets a place in its queue.
 *
 * Written into the scratch that holds the send's properties, behind them; nothing is allocated.
 * Format: spec/store-format.md §2 "half".
 */
import type { RewrittenProperties } from './properties-rewrite.ts'
import type { RecordHead } from './record-encoder.ts'

const TRANSACTION_BITS = 0xc
const REAL_TOPIC = '\u0002REAL_TOPIC\u0001'
const REAL_QUEUE = '\u0002REAL_QID\u0001'
const WAIT = '\u0002WAIT\u0001'

/** Old clients send a delivered transaction message back as one that is delayed and still has TRAN_MSG: that is no half. */
export function isHalf(rewritten: RewrittenProperties, reconsumeTimes: number): boolean {
  return rewritten.isHalf && !(reconsumeTimes > 0 && rewritten.delayLevel > 0)
}

/** `head` has the queue that the sender named; `text` the rewritten properties, which are never empty (CLUSTER). */
export function placeHalf(text: Buffer, rewritten: RewrittenProperties, topic: Buffer, head: RecordHead): void {
  let at = rewritten.length
  at += text.write(REAL_TOPIC, at, 'latin1')
  at += topic.copy(text, at)
  at += text.write(`${REAL_QUEUE}${head.queueId}`, at, 'latin1')
  if (rewritten.hasWait) at += text.write(`${WAIT}${rewritten.waits}`, at, 'latin1')
  rewritten.length = at
  head.queueId = 0
  head.sysFlag &= ~TRANSACTION_BITS
}
