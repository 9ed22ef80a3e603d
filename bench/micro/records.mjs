/** Records as the network thread encodes them, claimed in the submit ring. */
import { encodeRecord, recordBytes } from '../../dist/broker/send/record-encoder.js'
import { SUBMIT, SUBMIT_FLAGS, SUBMIT_KIND } from '../../dist/stages/ring-records.js'

const LOCAL = new Uint8Array([127, 0, 0, 1])
const BODY = Buffer.alloc(1024, 'abcdefghijklmnopqrstuvwxyz')

export class Claimer {
  /** `properties`: text of the message's properties. */
  constructor(submit, topic = 'BenchTopic', properties = PROPERTIES) {
    this.submit = submit
    this.topic = Buffer.from(topic)
    this.head = {
      queueId: 0,
      flag: 0,
      sysFlag: 0,
      bornTimestamp: Date.now(),
      bornHost: { address: LOCAL, port: 40_000 },
      storeHost: { address: LOCAL, port: 10_911 },
      reconsumeTimes: 0,
      preparedTransactionOffset: 0,
    }
    this.body = { bytes: BODY, start: 0, end: BODY.length }
    const text = Buffer.from(properties)
    this.properties = { bytes: text, start: 0, end: text.length }
    this.size = recordBytes(this.head, BODY.length, this.topic.length, text.length)
  }

  /** Claims one record of queue `queue`; false while the ring is full. Commit is the caller's. */
  claim(queue, queueId, epoch = 0) {
    const { submit, size, head } = this
    const at = submit.claim(SUBMIT.records + size)
    if (at < 0) return false
    const { view } = submit
    view.setInt32(at + SUBMIT.kind, SUBMIT_KIND.records, true)
    view.setInt32(at + SUBMIT.epoch, epoch, true)
    view.setInt32(at + SUBMIT.queue, queue, true)
    view.setInt32(at + SUBMIT.count, 1, true)
    view.setInt32(at + SUBMIT.flags, SUBMIT_FLAGS.counts, true)
    view.setInt32(at + SUBMIT.sample, -1, true)
    head.queueId = queueId
    encodeRecord(submit.bytes, view, at + SUBMIT.records, size, head, this.body, this.topic, this.properties)
    return true
  }
}

/** What a Java client and the broker put there, and one key. */
export const PROPERTIES =
  'UNIQ_KEY\u0001C0A80001000000000000000000000000\u0002TAGS\u0001TagA\u0002KEYS\u0001order-4711\u0002CLUSTER\u0001DefaultCluster'
