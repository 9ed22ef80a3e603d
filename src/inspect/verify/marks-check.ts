/** Checkpoint, positions and the snapshot of the queues against the files that they speak of. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CHECKPOINT_SIZE } from '../../store/checkpoint/checkpoint-file.ts'
import { decodeSlot, readQueuesSnapshot, SLOT_SIZE } from '../../store/checkpoint/index.ts'
import { FOLDERS } from '../../store/settings.ts'
import type { LogBounds } from '../log-end.ts'
import type { InspectedStore } from '../open-store.ts'
import { tryRead } from '../try-read.ts'
import type { Findings } from './finding.ts'
import type { IndexFileHead } from './index-cursor.ts'

const TIMES = ['physicMsgTimestamp', 'logicsMsgTimestamp', 'indexMsgTimestamp'] as const
/** Behind the two numbers that 5.x adds. */
const USED_BYTES = 40
const SLOTS_AT = [0, 4096]

export function checkMarks(store: InspectedStore, bounds: LogBounds, index: IndexFileHead[], findings: Findings): void {
  checkpointOf(store, bounds, index, findings)
  positionsOf(store, bounds, findings)
  const snapshot = join(store.root, FOLDERS.own, 'queues')
  readQueuesSnapshot(store.root, (reason) => findings.add('POSITIONS', reason, snapshot))
}

function checkpointOf(
  { root, use }: InspectedStore,
  bounds: LogBounds,
  index: IndexFileHead[],
  findings: Findings,
): void {
  const path = join(root, 'checkpoint')
  const bytes = tryRead(() => readFileSync(path))
  if (bytes === undefined) return
  if (bytes.length !== CHECKPOINT_SIZE)
    findings.add('CHECKPOINT', `the file has ${bytes.length} bytes, not ${CHECKPOINT_SIZE}`, path, bytes.length)
  for (const [i, name] of TIMES.entries()) {
    if (bytes.length < 8 * (i + 1)) return
    const time = Number(bytes.readBigInt64BE(8 * i))
    // A broker that runs has stored more since the end was looked for.
    const isLate = time > bounds.lastTime && !use.isInUse && bounds.end > bounds.min
    if (time < 0 || isLate)
      findings.add('CHECKPOINT', `${name} is ${time}; the last record was stored at ${bounds.lastTime}`, path, 8 * i)
    else if (time !== 0 && name === 'indexMsgTimestamp') indexTime(time, index, findings, path)
  }
  const rest = bytes.subarray(USED_BYTES).findIndex((byte) => byte !== 0)
  if (rest >= 0) findings.add('CHECKPOINT', 'bytes that nobody uses are not zero', path, USED_BYTES + rest)
}

/** It is the time at which one of the files ended, or of one that is gone. */
function indexTime(time: number, index: IndexFileHead[], findings: Findings, path: string): void {
  const newest = index.at(-1)
  if (newest !== undefined && time > newest.header.endTimestamp)
    findings.add(
      'CHECKPOINT',
      `indexMsgTimestamp is ${time}; the index ends at ${newest.header.endTimestamp}`,
      path,
      16,
    )
}

function positionsOf(store: InspectedStore, bounds: LogBounds, findings: Findings): void {
  const { root, positions, use } = store
  const path = join(root, FOLDERS.own, 'positions')
  if (!existsSync(path)) return
  const bytes = tryRead(() => readFileSync(path))
  for (const at of SLOTS_AT) {
    const slot = bytes?.subarray(at, at + SLOT_SIZE)
    const isWritten = slot?.some((byte) => byte !== 0) === true
    // Beside a running broker a slot may be read while it is written.
    if (isWritten && !use.isInUse && decodeSlot(Buffer.from(slot!)) === undefined)
      findings.add('POSITIONS', 'a slot does not have the CRC that it should', path, at)
  }
  if (positions === undefined) {
    // A broker that has just begun has not written it yet.
    if (!use.isInUse) findings.add('POSITIONS', 'no slot can be read', path)
    return
  }
  const { slot, trust } = positions
  const tell = (what: string) => findings.add('POSITIONS', what, path)
  const order = [
    ['retained', 'dispatched'],
    ['settled', 'dispatched'],
    ['dispatched', 'appended'],
    ['flushed', 'appended'],
    ['appended', 'allocated'],
  ] as const
  const isDLedger = store.settings.enableDLegerCommitLog
  for (const [low, high] of order) {
    // Its log makes its files itself.
    if (isDLedger && high === 'allocated') continue
    if (slot[low] > slot[high]) tell(`${low} ${slot[low]} is above ${high} ${slot[high]}`)
  }
  if (slot.segmentSize !== store.settings.mappedFileSizeCommitLog)
    tell(
      `it was written with segments of ${slot.segmentSize} bytes; the store has ${store.settings.mappedFileSizeCommitLog}`,
    )
  if (use.isInUse || trust === 'none') return
  // A truncation takes entries back; those that are committed stay.
  const own = isDLedger ? slot.replicated : slot.appended
  const written = trust === 'live' ? own : Math.min(own, slot.flushed)
  if (written > bounds.end) {
    const what = `the log ends at ${bounds.end}, but went up to ${written}: ${written - bounds.end} bytes are lost`
    findings.inLog('LOG_LOST', what, store.settings, bounds.end)
  }
}
