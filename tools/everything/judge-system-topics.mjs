// @ts-check
/**
 * Messages that the broker stores twice: first in a topic of its own, later where their consumers find them.
 *
 *   SCHEDULE_TOPIC_XXXX  ── after its delay, once ──▶ topic
 *   RMQ_SYS_TRANS_HALF_TOPIC ── committed ──▶ topic, rolled back ──▶ nowhere; either way nothing is left undecided
 *
 * The answer to such a send names the queue that the client chose, and the offset in the broker's own topic.
 */
import { named, placeOf, said } from './ledger.mjs'

const SCHEDULE = 'SCHEDULE_TOPIC_XXXX'
const HALF = 'RMQ_SYS_TRANS_HALF_TOPIC'
/**
 * Append reads the clock once for all that one drain of its ring takes: what is claimed meanwhile is stamped that much too
 * early. What consumers see is held to the millisecond.
 */
const STAMP_MS_MAX = 5
const GIVEN_UP = 'TRANS_CHECK_MAX_TIME_TOPIC'

/**
 * @typedef {import('./judge.mjs').Evidence} Evidence
 * @typedef {import('./judge.mjs').Problems} Problems
 * @typedef {import('./stored.mjs').Stored} Stored
 */

/**
 * @param {Evidence} evidence
 * @param {Map<string, Stored[]>} stored
 * @param {Problems} problems
 * @param {number} lateMsMax
 */
export function judgeDelays({ sent, seen, outages }, stored, problems, lateMsMax) {
  /** @type {number[]} */
  const late = []
  let maxExcused = 0
  let stampedEarly = 0
  /** @type {Map<string, number>} */
  const due = new Map()
  for (const ack of sent.acks) {
    if (ack.kind !== 'delayed') continue
    const delayMs = Number(ack.info)
    const waiting = stored.get(named(SCHEDULE, ack.key)) ?? []
    const delivered = stored.get(named(ack.topic, ack.key)) ?? []
    if (!waiting.some(({ queueOffset }) => queueOffset === ack.queueOffset))
      problems.add(
        'acknowledged and not stored',
        `${said(ack)}; waiting: ${waiting.map(placeOf).join(', ') || 'nowhere'}`,
      )
    if (waiting.length > ack.tries)
      problems.add('stored too often', `${ack.key}, sent ${ack.tries} times, waits ${waiting.length} times`)
    if (delivered.length !== waiting.length)
      problems.add('delays', `${ack.key} waited ${waiting.length} times and was delivered ${delivered.length} times`)
    for (const [at, record] of delivered.entries()) {
      const since = waiting[at]
      if (since === undefined) continue
      const dueAt = since.storedAt + delayMs
      if (at === 0) due.set(ack.key, dueAt)
      if (record.storedAt < dueAt) stampedEarly += 1
      if (record.storedAt < dueAt - STAMP_MS_MAX)
        problems.add('delays', `${ack.key} came ${dueAt - record.storedAt} ms before its time`)
      const lateMs = record.storedAt - dueAt
      const excused = Math.max(0, lateMs - downMs(outages, dueAt, record.storedAt))
      late.push(excused)
      maxExcused = Math.max(maxExcused, lateMs)
      if (excused > lateMsMax)
        problems.add('delays', `${ack.key} came ${lateMs} ms late, ${excused} ms of them with a broker up`)
    }
  }
  for (const { group, key, seenAt } of seen) {
    const dueAt = due.get(key)
    if (group === 'G-delayed' && dueAt !== undefined && seenAt < dueAt)
      problems.add('delays', `${key} was seen ${dueAt - seenAt} ms before its time`)
  }
  late.sort((a, b) => a - b)
  const at = (/** @type {number} */ share) => late[Math.min(late.length - 1, Math.floor(late.length * share))] ?? 0
  return { count: late.length, p50: at(0.5), p99: at(0.99), max: late.at(-1) ?? 0, maxExcused, stampedEarly }
}

/**
 * How much of [from, to) the broker was down.
 * @param {{from: number, to: number}[]} outages
 * @param {number} from
 * @param {number} to
 */
function downMs(outages, from, to) {
  return outages.reduce((sum, outage) => sum + Math.max(0, Math.min(to, outage.to) - Math.max(from, outage.from)), 0)
}

/**
 * @param {Evidence} evidence
 * @param {Map<string, Stored[]>} stored
 * @param {Problems} problems
 */
export function judgeTransactions({ sent, seen, stored: all, halvesLeft }, stored, problems) {
  if (halvesLeft !== 0) problems.add('transactions', `${halvesLeft} half messages are undecided`)
  const rolledBack = new Set()
  for (const ack of sent.acks) {
    if (ack.kind !== 'transaction') continue
    const halves = stored.get(named(HALF, ack.key)) ?? []
    const copies = stored.get(named(ack.topic, ack.key))?.length ?? 0
    if (!halves.some(({ queueOffset }) => queueOffset === ack.queueOffset))
      problems.add(
        'acknowledged and not stored',
        `${said(ack)}; halves: ${halves.map(placeOf).join(', ') || 'nowhere'}`,
      )
    if (ack.info === 'rollback') {
      rolledBack.add(ack.key)
      if (copies > 0) problems.add('transactions', `${ack.key} was rolled back and is in ${ack.topic}`)
      continue
    }
    if (copies === 0) problems.add('transactions', `${ack.key} was committed and is not in ${ack.topic}`)
    // A kill between the commit and the note that the half is used up: the producer is asked, and says commit again.
    const asked = sent.checks.get(ack.key) ?? 0
    if (copies > 1 + asked)
      problems.add('transactions', `${ack.key}, committed and asked for ${asked} times, is there ${copies} times`)
  }
  for (const { topic, key } of all) if (topic === GIVEN_UP) problems.add('transactions', `${key} was given up`)
  for (const { key, group } of seen)
    if (rolledBack.has(key)) problems.add('transactions', `${group} saw ${key}, which was rolled back`)
}
