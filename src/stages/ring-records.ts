/**
 * Payloads of the rings between threads. Offsets in bytes; little-endian (they never leave the process), but the
 * CommitLog records inside are big-endian as on disk.
 *
 *   submit (network → append)
 *     0  int32 kind          RECORDS or DEFINE
 *     4  int32 epoch         of the claim; append refuses an older one
 *     8  int32 queue         integer of (topic, queueId)
 *    12  int32 count         records that follow, all of this queue
 *    16  int32 flags         SUBMIT_FLAGS
 *    20  int32 sample        slot of the stage clock, -1 none
 *    24  bytes               RECORDS: whole CommitLog records, with queueOffset, physicalOffset and storeTimestamp open
 *                            DEFINE: int64 next queue offset of the queue
 *
 *   ack (append → network), one for each RECORDS, in order
 *     0  float64 physicalOffset of the first record
 *     8  float64 end offset behind the last
 *    16  float64 queueOffset of the first
 *    24  float64 storeTimestamp
 *    32  int32   status      ACK_STATUS
 *    36  int32   sample
 *
 *   define (network → dispatch)
 *     0  int32 queue   4  int32 queueId   8  bytes topic (UTF-8)
 *
 *   arrival (dispatch → network): a queue on which a pull waits has grown
 *     0  int32 queue
 */
export const SUBMIT = { kind: 0, epoch: 4, queue: 8, count: 12, flags: 16, sample: 20, records: 24 } as const
export const SUBMIT_KIND = { records: 1, define: 2 } as const
/**
 * counts: queueOffset grows by one a record (transaction types 0 and 8); otherwise records are stored with 0.
 * unwaited: the answer does not wait for the gate (property WAIT=false), so append wakes the network itself.
 */
export const SUBMIT_FLAGS = { counts: 1, unwaited: 2 } as const

export const ACK = {
  physicalOffset: 0,
  end: 8,
  queueOffset: 16,
  storeTimestamp: 24,
  status: 32,
  sample: 36,
  size: 40,
} as const
/** noRoom: DLedger's log, which makes its files itself, found none on the disk. */
export const ACK_STATUS = { appended: 0, oldEpoch: 1, tooLarge: 2, noRoom: 3 } as const

export const DEFINE = { queue: 0, queueId: 4, topic: 8 } as const
export const ARRIVAL = { queue: 0, size: 8 } as const
