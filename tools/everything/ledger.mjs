// @ts-check
/**
 * What the two Java programs of "everything at once" wrote down (test/interop/java/EverythingSend, EverythingReceive).
 *
 * Owns: nothing; reads their files once, at the end.
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'

/**
 * @typedef {object} Ack
 * @property {string} kind
 * @property {string} topic
 * @property {string} key
 * @property {string} hash
 * @property {number} queueId as it was acknowledged; of a delayed and of a half message the queue that the client chose
 * @property {number} queueOffset
 * @property {number} bornAt
 * @property {number} ackedAt
 * @property {number} tries how often it was sent: it may be stored that often
 * @property {string[]} groups who has to see it, and nobody else may
 * @property {string} info ordered: stream/number; delayed: ms; transaction: commit or rollback; retry: tries that fail
 *
 * @typedef {object} Seen
 * @property {string} group
 * @property {string} topic
 * @property {string} key
 * @property {string} hash
 * @property {number} queueId
 * @property {number} queueOffset
 * @property {number} reconsumes
 * @property {number} storedAt
 * @property {number} seenAt
 * @property {boolean} isDone false: the consumer asked for it again
 * @property {number} member
 *
 * @typedef {object} Oneway
 * @property {string} topic
 * @property {string} key
 * @property {string} hash
 * @property {string[]} groups
 *
 * @typedef {object} Questions
 * @property {number} right
 * @property {number} unanswered
 * @property {string[]} wrong
 * @property {string[]} last of those that were asked when nobody was killed any more: what went wrong
 * @property {number} lastCount
 *
 * @typedef {object} Sent
 * @property {Ack[]} acks
 * @property {Oneway[]} oneways
 * @property {Map<string, number>} failures kind → sends that failed and were tried again
 * @property {Map<string, number>} reasons
 * @property {Questions} questions
 * @property {Map<string, number>} checks key → how often its producer was asked what became of it
 */

/**
 * @param {string} path
 * @param {(fields: string[]) => void} take
 */
async function eachLine(path, take) {
  const reader = createInterface({ input: createReadStream(path) })
  for await (const line of reader) take(line.split('\t'))
}

/** @param {string} text */
const groupsOf = (text) => (text === '' ? [] : text.split(','))

/**
 * @param {string} path
 * @returns {Promise<Sent>}
 */
export async function readSent(path) {
  /** @type {Sent} */
  const sent = {
    acks: [],
    oneways: [],
    failures: new Map(),
    reasons: new Map(),
    questions: { right: 0, unanswered: 0, wrong: [], last: [], lastCount: 0 },
    checks: new Map(),
  }
  const { questions } = sent
  await eachLine(path, ([what, ...fields]) => {
    if (what === 'ACK') {
      const [kind, topic, key, hash, queueId, queueOffset, bornAt, ackedAt, tries, groups, info] = fields
      const place = { queueId: Number(queueId), queueOffset: Number(queueOffset) }
      const times = { bornAt: Number(bornAt), ackedAt: Number(ackedAt), tries: Number(tries) }
      sent.acks.push({ kind, topic, key, hash, ...place, ...times, groups: groupsOf(groups), info })
    } else if (what === 'ONEWAY') {
      const [topic, key, hash, groups] = fields
      sent.oneways.push({ topic, key, hash, groups: groupsOf(groups) })
    } else if (what === 'TRY') {
      const [kind, , why] = fields
      add(sent.failures, kind)
      add(sent.reasons, why.replace(/\d+/g, 'n').slice(0, 100))
    } else if (what === 'CHECK') add(sent.checks, fields[0])
    else if (what === 'UNANSWERED') questions.unanswered += 1
    else if (what === 'REPLY') {
      if (fields[1] === 'right') questions.right += 1
      else questions.wrong.push(fields[0])
    } else if (what === 'LAST') {
      questions.lastCount += 1
      if (fields[1] !== 'right') questions.last.push(fields.join(' '))
    }
  })
  return sent
}

/**
 * @param {string} path
 * @returns {Promise<{seen: Seen[], rebalances: number}>}
 */
export async function readSeen(path) {
  /** @type {Seen[]} */
  const seen = []
  let rebalances = 0
  await eachLine(path, ([what, ...fields]) => {
    if (what === 'MEMBERS') rebalances += 1
    if (what !== 'GOT') return
    const [group, topic, key, hash, queueId, queueOffset, reconsumes, storedAt, seenAt, result, member] = fields
    const place = { queueId: Number(queueId), queueOffset: Number(queueOffset) }
    const times = { reconsumes: Number(reconsumes), storedAt: Number(storedAt), seenAt: Number(seenAt) }
    seen.push({ group, topic, key, hash, ...place, ...times, isDone: result === 'OK', member: Number(member) })
  })
  return { seen, rebalances }
}

/**
 * @param {Map<string, number>} counts
 * @param {string} name
 */
export function add(counts, name, count = 1) {
  counts.set(name, (counts.get(name) ?? 0) + count)
}

/** @param {string} topic @param {string} key */
export const named = (topic, key) => `${topic} ${key}`

/** @param {{queueId: number, queueOffset: number}} place */
export const placeOf = ({ queueId, queueOffset }) => `${queueId}:${queueOffset}`

/** @param {Ack} ack */
export const said = (ack) => `${ack.kind} ${ack.topic} ${ack.key} (${placeOf(ack)})`
