import { expect, test } from 'vitest'
import { OffsetJumps } from '../../../src/store/consumequeue/offset-jumps.ts'

/** Next offset of a queue that stood at `from` and whose records name these offsets. */
function nextAfter(from: number, offsets: number[], minOffset = 0) {
  const queue = { topic: 'T', queueId: 0, nextOffset: from, minOffset }
  const jumps = new OffsetJumps()
  for (const offset of offsets) if (offset >= queue.nextOffset) jumps.follow(queue, offset)
  const refused = jumps.settle()
  return { next: queue.nextOffset, refused: refused.map(({ to }) => to) }
}

const FAR = 2 ** 44

test.each([
  ['one after the other', 7, [7, 8, 9], 10, []],
  ['records lost in between', 7, [7, 12, 13], 14, []],
  ['one record names an offset far ahead, and the queue goes on', 7, [7, FAR, 9, 10], 11, []],
  ['one record beside the queue', 7, [7, FAR, 8, 9], 10, []],
  ['the last record names an offset that cannot be', 7, [7, FAR], 8, [FAR]],
  ['the last record names one that can be: its predecessors are lost', 7, [7, 12], 13, []],
  ['a queue that nothing is known of begins anywhere', 0, [5000, 5001], 5002, []],
  ['with one record', 0, [5000], 5001, []],
  ['two damaged ones in a row', 7, [FAR, FAR * 2, 7, 8], 9, []],
])('%s', (_, from, offsets, next, refused) => {
  expect(nextAfter(from, offsets)).toEqual({ next, refused })
})

test('a queue of which no record is left goes on anywhere, with one record too', () => {
  expect(nextAfter(7, [FAR], 7)).toEqual({ next: FAR + 1, refused: [] })
  expect(nextAfter(7, [FAR, FAR + 1], 7)).toEqual({ next: FAR + 2, refused: [] })
})
