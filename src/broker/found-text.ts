/** What a start found in the store, in one line: for the log and for whoever started it. */
import type { Engine } from './engine.ts'

export function foundText({ min, end, isUnclean, recordCount, findings, queues }: Engine['recovered']): string {
  if (end === 0) return 'an empty store'
  const stop = isUnclean ? 'after an unclean stop' : 'stopped cleanly'
  const size = `log of ${end - min} bytes from ${min}, ${queues.length} queues`
  const more = findings.length === 0 ? '' : `; ${findings.length} findings, see the log`
  return `${size}, ${stop}, ${recordCount} records read${more}`
}
