/** The judge of "everything at once" finds each promise that is broken: a run that kept all of them, changed in one place. */
import { expect, test } from 'vitest'
import { judge } from '../../tools/everything/judge.mjs'

type Evidence = Parameters<typeof judge>[0]
type Ack = Evidence['sent']['acks'][number]
type Stored = Evidence['stored'][number]
type Seen = Evidence['seen'][number]

const T0 = 1_800_000_000_000
const DELAY_MS = 2000
const HALF = 'RMQ_SYS_TRANS_HALF_TOPIC'
const SCHEDULE = 'SCHEDULE_TOPIC_XXXX'

/** A run in which everything happened once, and all went well. */
class Run {
  private readonly offsets = new Map<string, number>()
  private physical = 0
  readonly evidence: Evidence = {
    sent: {
      acks: [],
      oneways: [],
      failures: new Map(),
      reasons: new Map(),
      questions: { right: 1, unanswered: 0, wrong: [], last: [], lastCount: 1 },
      checks: new Map(),
    },
    seen: [],
    stored: [],
    outages: [{ from: T0 + 60_000, to: T0 + 62_000 }],
    deleted: new Set(['EvMade-1']),
    topics: ['EvNormal', 'EvOrdered', 'EvDelayed', 'EvTransaction', 'EvRetry', 'EvFilter', 'EvBroadcast', 'EvMade-2'],
    halvesLeft: 0,
  }

  ack(kind: string, topic: string, key: string, place: Stored, groups: string[], info = ''): Ack {
    const { queueId, queueOffset, hash } = place
    const ack = { kind, topic, key, hash, queueId, queueOffset, bornAt: T0, ackedAt: T0 + 2, tries: 1, groups, info }
    this.evidence.sent.acks.push(ack)
    return ack
  }

  store(topic: string, key: string, storedAt = T0 + 1): Stored {
    const queueOffset = this.offsets.get(topic) ?? 0
    this.offsets.set(topic, queueOffset + 1)
    this.physical += 200
    const place = { topic, queueId: 0, queueOffset, physicalOffset: this.physical }
    const record = { ...place, key, hash: `body of ${key}`, storedAt, properties: {} }
    this.evidence.stored.push(record)
    return record
  }

  see(group: string, record: Stored, more: Partial<Seen> = {}): void {
    const { topic, key, hash, queueId, queueOffset, storedAt } = record
    const place = { topic, key, hash, queueId, queueOffset, storedAt }
    this.evidence.seen.push({ group, ...place, reconsumes: 0, seenAt: storedAt + 5, isDone: true, member: 0, ...more })
  }

  simple(kind: string, topic: string, key: string, groups: string[], info = ''): void {
    const record = this.store(topic, key)
    this.ack(kind, topic, key, record, groups, info)
    for (const group of groups) this.see(group, record)
  }
}

function goodRun(): Evidence {
  const run = new Run()
  const { evidence } = run
  for (let i = 0; i < 3; i += 1) run.simple('normal', 'EvNormal', `sync0-${i}`, ['G-normal'])
  for (let i = 0; i < 6; i += 1)
    run.simple('ordered', 'EvOrdered', `ordered-${i}`, ['G-ordered'], `s${i % 2}/${i >> 1}`)
  run.simple('filter', 'EvFilter', 'filter-0', ['G-tag'])
  run.simple('broadcast', 'EvBroadcast', 'broadcast-0', ['G-broadcast/0', 'G-broadcast/1'])
  run.simple('made', 'EvMade-2', 'made-2', ['G-made'])
  evidence.sent.acks.push({
    ...evidence.sent.acks[0],
    kind: 'made',
    topic: 'EvMade-1',
    key: 'made-1',
    groups: ['G-made'],
  })
  const oneway = run.store('EvNormal', 'oneway-0')
  evidence.sent.oneways.push({ topic: 'EvNormal', key: 'oneway-0', hash: oneway.hash, groups: ['G-normal'] })
  run.see('G-normal', oneway)
  const waiting = run.store(SCHEDULE, 'delayed-0')
  run.ack('delayed', 'EvDelayed', 'delayed-0', waiting, ['G-delayed'], String(DELAY_MS))
  run.see('G-delayed', run.store('EvDelayed', 'delayed-0', T0 + 1 + DELAY_MS))
  for (const [i, info] of ['commit', 'rollback'].entries()) {
    const half = run.store(HALF, `transaction-${i}`)
    const groups = info === 'commit' ? ['G-transaction'] : []
    run.ack('transaction', 'EvTransaction', `transaction-${i}`, half, groups, info)
    if (info === 'commit') run.see('G-transaction', run.store('EvTransaction', `transaction-${i}`))
  }
  for (const [i, fails] of [1, 99].entries()) {
    const record = run.store('EvRetry', `retry-${i}`)
    run.ack('retry', 'EvRetry', `retry-${i}`, record, fails === 99 ? [] : ['G-retry'], String(fails))
    run.see('G-retry', record, { isDone: false })
    if (fails === 99) run.store('%DLQ%G-retry', `retry-${i}`)
    else run.see('G-retry', record, { reconsumes: 1 })
  }
  return evidence
}

const stored = ({ stored }: Evidence, topic: string, key: string) =>
  stored.findIndex((r) => r.topic === topic && r.key === key)
const remove = (evidence: Evidence, topic: string, key: string) =>
  evidence.stored.splice(stored(evidence, topic, key), 1)
const unsee = (evidence: Evidence, group: string, key: string) => {
  evidence.seen = evidence.seen.filter((each) => each.group !== group || each.key !== key)
}
const record = (evidence: Evidence, topic: string, key: string) => evidence.stored[stored(evidence, topic, key)]
const again = (evidence: Evidence, topic: string, key: string) =>
  evidence.stored.push({ ...record(evidence, topic, key), queueOffset: 99, physicalOffset: 1_000_000 })

test('a run that kept every promise', () => {
  const { problems, rows, lateness } = judge(goodRun())
  expect(problems).toEqual([])
  expect(rows.map(({ kind, acknowledged, seen }) => `${kind} ${acknowledged} ${seen}`)).toEqual([
    'normal 3 3',
    'ordered 6 6',
    'filter 1 1',
    'broadcast 1 2',
    'made 2 1',
    'delayed 1 1',
    'transaction 2 1',
    'retry 2 1',
  ])
  expect(lateness).toMatchObject({ count: 1, max: 0 })
})

test('a client that tried again may have its message stored again, and consumers may see any message again', () => {
  const evidence = goodRun()
  evidence.sent.acks[0].tries = 2
  const last = evidence.stored.filter(({ topic }) => topic === 'EvNormal').at(-1)!
  evidence.stored.push({
    ...record(evidence, 'EvNormal', 'sync0-0'),
    queueOffset: last.queueOffset + 1,
    physicalOffset: 1_000_000,
  })
  evidence.seen.push(evidence.seen[0])
  const { problems, rows } = judge(evidence)
  expect(problems).toEqual([])
  expect(rows[0]).toMatchObject({ kind: 'normal', copies: 1, again: 1 })
})

test('a delivery that was due while the broker was down is late by the rest only', () => {
  const evidence = goodRun()
  const dueAt = T0 + 1 + DELAY_MS
  evidence.outages = [{ from: dueAt - 100, to: dueAt + 20_000 }]
  record(evidence, 'EvDelayed', 'delayed-0').storedAt = dueAt + 20_300
  expect(judge(evidence)).toMatchObject({ problems: [], lateness: { max: 300, maxExcused: 20_300 } })
})

test('a stamp that is a little early is told, and no more: nobody saw the message before its time', () => {
  const evidence = goodRun()
  record(evidence, 'EvDelayed', 'delayed-0').storedAt -= 1
  expect(judge(evidence)).toMatchObject({ problems: [], lateness: { max: 0, stampedEarly: 1 } })
})

type Mutation = [what: string, rule: RegExp, change: (evidence: Evidence) => unknown]

const MUTATIONS: Mutation[] = [
  [
    'an acknowledged message is not stored',
    /^acknowledged and not stored: normal .*sync0-2/,
    (e) => remove(e, 'EvNormal', 'sync0-2'),
  ],
  [
    'it is stored at another place',
    /^acknowledged and not stored/,
    (e) => (record(e, 'EvNormal', 'sync0-1').queueId = 3),
  ],
  ['it is stored with another body', /^bodies/, (e) => (record(e, 'EvNormal', 'sync0-1').hash = 'other')],
  [
    'it is stored more often than sent',
    /^stored too often: sync0-1, sent 1 times/,
    (e) => again(e, 'EvNormal', 'sync0-1'),
  ],
  ['a one-way message is stored twice', /^stored too often: oneway-0/, (e) => again(e, 'EvNormal', 'oneway-0')],
  ['something is stored that nobody sent', /^never sent/, (e) => (record(e, 'EvNormal', 'sync0-1').key = 'foreign')],
  [
    'a group has not consumed it',
    /^not consumed: EvNormal sync0-2 by G-normal/,
    (e) => unsee(e, 'G-normal', 'sync0-2'),
  ],
  [
    'a stored one-way message is not consumed',
    /^not consumed: EvNormal oneway-0/,
    (e) => unsee(e, 'G-normal', 'oneway-0'),
  ],
  [
    'one of two broadcast members lacks it',
    /^not consumed: .* G-broadcast\/1/,
    (e) => unsee(e, 'G-broadcast/1', 'broadcast-0'),
  ],
  ['a consumer gets another body', /^bodies: G-normal saw/, (e) => (e.seen[0].hash = 'other')],
  [
    'a filter lets through what is not wanted',
    /^not theirs: G-sql consumed filter-0/,
    (e) => e.seen.push({ ...e.seen.find(({ group }) => group === 'G-tag')!, group: 'G-sql' }),
  ],
  [
    'the order at the store is broken',
    /^order: store/,
    (e) => {
      const [a, b] = [record(e, 'EvOrdered', 'ordered-0'), record(e, 'EvOrdered', 'ordered-2')]
      ;[a.key, b.key, a.hash, b.hash] = [b.key, a.key, b.hash, a.hash]
    },
  ],
  [
    'the order at the consumers is broken',
    /^order: consumers/,
    (e) => {
      const at = (key: string) => e.seen.findIndex((each) => each.key === key)
      const [a, b] = [at('ordered-0'), at('ordered-2')]
      ;[e.seen[a], e.seen[b]] = [e.seen[b], e.seen[a]]
    },
  ],
  ['a queue has a hole', /^queue offsets: EvOrdered\/0: 5 behind 3/, (e) => remove(e, 'EvOrdered', 'ordered-4')],
  [
    'a delayed message comes before its time',
    /^delays: delayed-0 came 6 ms before/,
    (e) => (record(e, 'EvDelayed', 'delayed-0').storedAt -= 6),
  ],
  [
    'it is seen before its time',
    /^delays: delayed-0 was seen/,
    (e) => (e.seen.find(({ group }) => group === 'G-delayed')!.seenAt = T0),
  ],
  [
    'it comes much too late',
    /^delays: delayed-0 came 15000 ms late/,
    (e) => (record(e, 'EvDelayed', 'delayed-0').storedAt += 15_000),
  ],
  [
    'it is delivered twice',
    /^delays: delayed-0 waited 1 times and was delivered 2/,
    (e) => again(e, 'EvDelayed', 'delayed-0'),
  ],
  [
    'it is never delivered',
    /^delays: delayed-0 waited 1 times and was delivered 0/,
    (e) => remove(e, 'EvDelayed', 'delayed-0'),
  ],
  [
    'a rolled-back message is stored',
    /^transactions: transaction-1 was rolled back and is in/,
    (e) => (record(e, 'EvTransaction', 'transaction-0').key = 'transaction-1'),
  ],
  [
    'a rolled-back message is seen',
    /^transactions: G-transaction saw transaction-1/,
    (e) => (e.seen.find(({ group }) => group === 'G-transaction')!.key = 'transaction-1'),
  ],
  [
    'a committed message is lost',
    /^transactions: transaction-0 was committed and is not in/,
    (e) => remove(e, 'EvTransaction', 'transaction-0'),
  ],
  [
    'it is committed twice though nobody asked',
    /^transactions: transaction-0, committed and asked for 0 times, is there 2/,
    (e) => again(e, 'EvTransaction', 'transaction-0'),
  ],
  ['a half message is lost', /^acknowledged and not stored: transaction/, (e) => remove(e, HALF, 'transaction-1')],
  ['a half message is left undecided', /^transactions: 1 half messages are undecided/, (e) => (e.halvesLeft = 1)],
  ['nobody knows whether one is', /^transactions: NaN/, (e) => (e.halvesLeft = Number.NaN)],
  [
    'a hopeless message is not in the DLQ',
    /^retries: retry-1 can never be consumed/,
    (e) => remove(e, '%DLQ%G-retry', 'retry-1'),
  ],
  [
    'one that could be consumed is',
    /^retries: retry-0 could be consumed/,
    (e) => (record(e, '%DLQ%G-retry', 'retry-1').key = 'retry-0'),
  ],
  [
    'a message is not tried again',
    /^retries: retry-0 was tried 1 times of 2/,
    (e) =>
      e.seen.splice(
        e.seen.findIndex(({ key }) => key === 'retry-0'),
        1,
      ),
  ],
  [
    'a deleted topic is back',
    /^deleted topics: EvMade-1 is there again/,
    (e) => (e.topics = [...e.topics, 'EvMade-1']),
  ],
  [
    'a topic is gone',
    /^topics: EvMade-2 is gone/,
    (e) => (e.topics = e.topics.filter((topic) => topic !== 'EvMade-2')),
  ],
  ['a question gets the wrong reply', /^request–reply: asked-3/, (e) => e.sent.questions.wrong.push('asked-3')],
  [
    'a question at the end gets none',
    /^request–reply: not answered/,
    (e) => e.sent.questions.last.push('last-1 timeout'),
  ],
  ['none was asked', /^request–reply: the last questions/, (e) => (e.sent.questions.lastCount = 0)],
]

test.each(MUTATIONS)('%s', (_what, rule, change) => {
  const evidence = goodRun()
  change(evidence)
  expect(judge(evidence).problems.filter((problem) => rule.test(problem))).not.toEqual([])
})
