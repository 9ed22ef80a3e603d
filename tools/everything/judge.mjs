// @ts-check
/**
 * What "everything at once" has to prove, from the two ledgers and from what the broker has stored: pure, so that a test can
 * show that each broken promise is found.
 *
 *   sent ledger ──┬── every acknowledged message is stored, where it was said, with its body, as often as it was sent at most
 *                 ├── every group has consumed what is for it and nothing else
 *   stored ───────┤   order: numbers of a stream grow, at the store and at first sight of the consumers
 *   seen ledger ──┘   delays: never early, late only as long as the broker was down; transactions: whole; retries: to their end
 */

import { judgeDelays, judgeTransactions } from './judge-system-topics.mjs'
import { add, named, placeOf, said } from './ledger.mjs'

const SHOWN_MAX = 12
/** What a broker and a busy machine may take, after the time that it was down. */
export const LATE_MS_MAX = 10_000

/**
 * @typedef {import('./ledger.mjs').Sent} Sent
 * @typedef {import('./ledger.mjs').Seen} Seen
 * @typedef {import('./ledger.mjs').Ack} Ack
 * @typedef {import('./stored.mjs').Stored} Stored
 *
 * @typedef {object} Evidence
 * @property {Sent} sent
 * @property {Seen[]} seen
 * @property {Stored[]} stored
 * @property {{from: number, to: number}[]} outages wall time from a kill until the broker was ready again
 * @property {ReadonlySet<string>} deleted topics
 * @property {readonly string[]} topics that the broker has at the end
 * @property {number} halvesLeft of the half queue, that nobody has decided
 *
 * @typedef {object} Row
 * @property {string} kind
 * @property {number} acknowledged
 * @property {number} failures sends that failed and were tried again
 * @property {number} copies stored more than once, as a client's second try may be
 * @property {number} seen
 * @property {number} again seen more than once
 *
 * @typedef {object} Verdict
 * @property {Row[]} rows
 * @property {string[]} problems each a broken promise; empty when all were kept
 * @property {{count: number, p50: number, p99: number, max: number, maxExcused: number, stampedEarly: number}} lateness ms of delayed messages, time down taken off; maxExcused: with it; stampedEarly: how many say that they were stored a little before their time
 */

/** Problems by what they are about: some of each are shown, all are counted. */
export class Problems {
  /** @type {Map<string, string[]>} */
  #byRule = new Map()

  /** @param {string} rule @param {string} what */
  add(rule, what) {
    const list = this.#byRule.get(rule) ?? []
    list.push(what)
    this.#byRule.set(rule, list)
  }

  list() {
    return [...this.#byRule].flatMap(([rule, list]) => {
      const shown = list.slice(0, SHOWN_MAX).map((what) => `${rule}: ${what}`)
      return list.length > SHOWN_MAX ? [...shown, `${rule}: ${list.length} in all`] : shown
    })
  }
}

/**
 * @param {Evidence} evidence
 * @returns {Verdict}
 */
export function judge(evidence) {
  const problems = new Problems()
  const stored = indexed(evidence.stored)
  const live = evidence.sent.acks.filter(({ topic }) => !evidence.deleted.has(topic))
  judgeQueues(evidence.stored, problems)
  judgeStored(live, evidence, stored, problems)
  judgeSeen(live, evidence, stored, problems)
  judgeOrder(evidence, problems)
  judgeRetries(evidence, stored, problems)
  judgeTransactions(evidence, stored, problems)
  judgeTopics(evidence, problems)
  const lateness = judgeDelays(evidence, stored, problems, LATE_MS_MAX)
  const { questions } = evidence.sent
  for (const key of questions.wrong) problems.add('request–reply', `${key} got another one's reply`)
  for (const what of questions.last) problems.add('request–reply', `not answered though nobody was killed: ${what}`)
  if (questions.lastCount === 0) problems.add('request–reply', 'the last questions were not asked')
  return { rows: rowsOf(evidence, stored), problems: problems.list(), lateness }
}

/**
 * topic and key → its copies, in the order of the log
 * @param {Stored[]} stored
 */
function indexed(stored) {
  /** @type {Map<string, Stored[]>} */
  const index = new Map()
  for (const record of stored) {
    const name = named(record.topic, record.key)
    const list = index.get(name)
    if (list === undefined) index.set(name, [record])
    else list.push(record)
  }
  for (const list of index.values()) list.sort((a, b) => a.physicalOffset - b.physicalOffset)
  return index
}

/** Offsets of a queue are dense and lie in the order of the log. @param {Stored[]} stored @param {Problems} problems */
function judgeQueues(stored, problems) {
  /** @type {Map<string, Stored>} */
  const last = new Map()
  for (const record of stored) {
    const queue = `${record.topic}/${record.queueId}`
    const before = last.get(queue)
    last.set(queue, record)
    if (before === undefined) continue
    if (record.queueOffset !== before.queueOffset + 1)
      problems.add('queue offsets', `${queue}: ${record.queueOffset} behind ${before.queueOffset}`)
    if (record.physicalOffset <= before.physicalOffset)
      problems.add('queue offsets', `${queue}: ${record.queueOffset} lies below its predecessor in the log`)
  }
}

/**
 * @param {Ack[]} live
 * @param {Evidence} evidence
 * @param {Map<string, Stored[]>} stored
 * @param {Problems} problems
 */
function judgeStored(live, { sent, stored: all, deleted }, stored, problems) {
  /** @type {Map<string, string>} */
  const known = new Map(sent.oneways.map(({ topic, key, hash }) => [named(topic, key), hash]))
  for (const { topic, key, hash } of sent.acks) known.set(named(topic, key), hash)
  const ours = new Set([...sent.acks, ...sent.oneways].map(({ topic }) => topic))
  for (const record of all) {
    if (!ours.has(record.topic)) continue
    const hash = known.get(named(record.topic, record.key))
    if (deleted.has(record.topic)) problems.add('deleted topics', `${record.topic} still has ${record.key}`)
    if (hash === undefined) problems.add('never sent', `${record.topic} ${record.key}`)
    else if (hash !== record.hash) problems.add('bodies', `${record.topic} ${record.key} is stored with another body`)
  }
  for (const { key, topic } of sent.oneways) {
    const copies = stored.get(named(topic, key))?.length ?? 0
    if (copies > 1) problems.add('stored too often', `${key}, sent once, is there ${copies} times`)
  }
  for (const ack of live) {
    // What is delayed or decided later is acknowledged at another place: judge-system-topics.mjs.
    if (ack.kind === 'delayed' || ack.kind === 'transaction') continue
    const copies = stored.get(named(ack.topic, ack.key)) ?? []
    if (!copies.some(({ queueId, queueOffset }) => queueId === ack.queueId && queueOffset === ack.queueOffset))
      problems.add('acknowledged and not stored', `${said(ack)}; found: ${copies.map(placeOf).join(', ') || 'nowhere'}`)
    if (copies.length > ack.tries)
      problems.add('stored too often', `${ack.key}, sent ${ack.tries} times, is there ${copies.length} times`)
  }
}

/**
 * @param {Ack[]} live
 * @param {Evidence} evidence
 * @param {Map<string, Stored[]>} stored
 * @param {Problems} problems
 */
function judgeSeen(live, { sent, seen }, stored, problems) {
  /** @type {Map<string, Set<string>>} */
  const seenBy = new Map()
  /** @type {Map<string, {hash: string, groups: string[]}>} */
  const wanted = new Map()
  for (const { key, hash, groups } of [...sent.acks, ...sent.oneways]) wanted.set(key, { hash, groups })
  for (const { group, key, hash, isDone } of seen) {
    if (group === 'G-asked') continue
    const message = wanted.get(key)
    if (message === undefined) problems.add('never sent', `${group} saw ${key}`)
    else if (message.hash !== hash) problems.add('bodies', `${group} saw ${key} with another body`)
    else if (isDone && !message.groups.includes(group)) problems.add('not theirs', `${group} consumed ${key}`)
    if (!isDone) continue
    const groups = seenBy.get(key)
    if (groups === undefined) seenBy.set(key, new Set([group]))
    else groups.add(group)
  }
  // One-way messages were not acknowledged: those that are stored are to be consumed like the others.
  const oneways = sent.oneways.filter(({ topic, key }) => stored.has(named(topic, key)))
  for (const { key, topic, groups } of [...live, ...oneways])
    for (const group of groups)
      if (seenBy.get(key)?.has(group) !== true) problems.add('not consumed', `${topic} ${key} by ${group}`)
}

/**
 * A stream's numbers, in the order in which they are first met, are 0, 1, 2 …: at the store and at the consumers.
 * @param {Evidence} evidence
 * @param {Problems} problems
 */
function judgeOrder({ sent, seen, stored }, problems) {
  /** @type {Map<string, {stream: string, number: number}>} */
  const streams = new Map()
  for (const { kind, key, info } of sent.acks) {
    if (kind !== 'ordered') continue
    const [stream, number] = info.split('/')
    streams.set(key, { stream, number: Number(number) })
  }
  const follow = (/** @type {string} */ where) => {
    /** @type {Map<string, number>} */
    const next = new Map()
    return (/** @type {string} */ key) => {
      const place = streams.get(key)
      if (place === undefined) return
      const expected = next.get(place.stream) ?? 0
      if (place.number > expected)
        problems.add('order', `${where}: ${key} (${place.stream}/${place.number}) before ${place.stream}/${expected}`)
      next.set(place.stream, Math.max(expected, place.number + 1))
    }
  }
  const atStore = follow('store')
  /** @type {Map<string, number>} */
  const queues = new Map()
  for (const { topic, key, queueId } of stored) {
    const stream = streams.get(key)?.stream
    if (stream === undefined || topic !== 'EvOrdered') continue
    const queue = queues.get(stream) ?? queueId
    if (queue !== queueId) problems.add('order', `stream ${stream} is in queue ${queue} and ${queueId}`)
    queues.set(stream, queueId)
    atStore(key)
  }
  const atConsumers = follow('consumers')
  for (const { group, key } of seen) if (group === 'G-ordered') atConsumers(key)
}

/**
 * @param {Evidence} evidence
 * @param {Map<string, Stored[]>} stored
 * @param {Problems} problems
 */
function judgeRetries({ sent, seen }, stored, problems) {
  /** @type {Map<string, number>} */
  const tries = new Map()
  for (const { group, key } of seen) if (group === 'G-retry') add(tries, key)
  for (const { kind, key, groups, info } of sent.acks) {
    if (kind !== 'retry') continue
    const dead = stored.get(named('%DLQ%G-retry', key))?.length ?? 0
    const isHopeless = groups.length === 0
    if (isHopeless && dead === 0) problems.add('retries', `${key} can never be consumed and is not in the DLQ`)
    if (!isHopeless && dead > 0) problems.add('retries', `${key} could be consumed and is in the DLQ`)
    const least = isHopeless ? 1 : Number(info) + 1
    if ((tries.get(key) ?? 0) < least)
      problems.add('retries', `${key} was tried ${tries.get(key) ?? 0} times of ${least}`)
  }
}

/** @param {Evidence} evidence @param {Problems} problems */
function judgeTopics({ sent, deleted, topics }, problems) {
  const there = new Set(topics)
  for (const topic of deleted) if (there.has(topic)) problems.add('deleted topics', `${topic} is there again`)
  for (const topic of new Set(sent.acks.map((ack) => ack.topic)))
    if (!deleted.has(topic) && !there.has(topic)) problems.add('topics', `${topic} is gone`)
}

/**
 * @param {Evidence} evidence
 * @param {Map<string, Stored[]>} stored
 * @returns {Row[]}
 */
function rowsOf({ sent, seen }, stored) {
  /** @type {Map<string, Row>} */
  const rows = new Map()
  /** @type {Map<string, number>} */
  const sightings = new Map()
  for (const { group, key, isDone } of seen) if (isDone) add(sightings, `${group} ${key}`)
  for (const { kind, key, topic, groups } of sent.acks) {
    const row = rows.get(kind) ?? {
      kind,
      acknowledged: 0,
      failures: sent.failures.get(kind) ?? 0,
      copies: 0,
      seen: 0,
      again: 0,
    }
    rows.set(kind, row)
    row.acknowledged += 1
    row.copies += Math.max(0, (stored.get(named(topic, key))?.length ?? 0) - 1)
    for (const group of groups) {
      const count = sightings.get(`${group} ${key}`) ?? 0
      row.seen += Math.min(1, count)
      row.again += Math.max(0, count - 1)
    }
  }
  return [...rows.values()]
}
