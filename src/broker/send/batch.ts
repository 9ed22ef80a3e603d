/**
 * The body of SEND_BATCH_MESSAGE: items side by side (spec/broker-requests.md §1 "Batch body").
 *
 *   item: int32 size, int32 magic, int32 crc, int32 flag, int32 bodyLength, body, int16 propertiesLength, properties
 */
const HEAD = 20

export interface BatchItem {
  flag: number
  bodyStart: number
  bodyEnd: number
  propertiesStart: number
  propertiesEnd: number
}

/** The items of bytes[start, end), or a text that says what is wrong with them. */
export function readBatch(bytes: Buffer, start: number, end: number): BatchItem[] | string {
  const items: BatchItem[] = []
  for (let at = start; at < end; ) {
    if (end - at < HEAD + 2) return `item ${items.length} of the batch is cut short at byte ${at - start}`
    const size = bytes.readInt32BE(at)
    const bodyLength = bytes.readInt32BE(at + 16)
    if (size < HEAD + 2 || size > end - at || bodyLength < 0 || bodyLength > size - HEAD - 2) {
      return `item ${items.length} of the batch at byte ${at - start} declares ${size} bytes with a body of ${bodyLength}`
    }
    const bodyEnd = at + HEAD + bodyLength
    const propertiesLength = bytes.readInt16BE(bodyEnd)
    if (HEAD + bodyLength + 2 + propertiesLength !== size || propertiesLength < 0) {
      return `item ${items.length} of the batch at byte ${at - start} declares ${propertiesLength} bytes of properties`
    }
    items.push({
      flag: bytes.readInt32BE(at + 12),
      bodyStart: at + HEAD,
      bodyEnd,
      propertiesStart: bodyEnd + 2,
      propertiesEnd: bodyEnd + 2 + propertiesLength,
    })
    at += size
  }
  return items.length === 0 ? 'the batch holds no message' : items
}

const PAIR_END = 2

/** Properties text of one item: its own, then the batch's (with CLUSTER), 0x02 between them. */
export function joinProperties(bytes: Buffer, item: BatchItem, common: Buffer, commonLength: number): Buffer {
  const own = bytes.subarray(item.propertiesStart, item.propertiesEnd)
  const shared = common.subarray(0, commonLength)
  const needsEnd = own.length > 0 && shared.length > 0 && own[own.length - 1] !== PAIR_END
  return Buffer.concat(needsEnd ? [own, Buffer.of(PAIR_END), shared] : [own, shared])
}
