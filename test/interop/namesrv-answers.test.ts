/**
 * Ours beside Apache's NameServers 4.9.7 and 5.3.3, asked the same things: answer by answer, field by field.
 *
 * First a script of everything that can be asked, then random lives of a cluster. Where two differ, the difference has to be in
 * the tables below, with its reason; an entry of those tables that no longer shows is a failure, too.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type NamesrvHandle, startNamesrv } from '../../src/namesrv/index.ts'
import { type ApacheServer, startApacheNamesrv } from '../../tools/apache/apache.mjs'
import { header, registerAsk, SCRIPT, type Step } from './support/namesrv-script.ts'
import { type Ask, type Said, Talk } from './support/namesrv-talk.ts'
import { apacheIsThere, CLIENTS, Scratch } from './support/systems.ts'

const there = apacheIsThere(...CLIENTS)
/** Where none is expected from one of them, and where one is. */
const NO_ANSWER_MS = 400
const ANSWER_MS_MAX = 10_000
const SETTLED_MS_MAX = 10_000

/** Steps (by their names without the number) in which ours differs from 4.9.7, and why. */
const UNLIKE_4_9: Record<string, string> = {
  'member group': '4.9 does not know the code and says nothing',
  'member group of nobody': '4.9 does not know the code and says nothing',
  heartbeat: '4.9 does not know the code and says nothing',
  'heartbeat of nobody': '4.9 does not know the code and says nothing',
  'register topic': '4.9 does not know the code and says nothing',
  'route R': 'for the same reason',
  'register topic on somebody unknown': '4.9 does not know the code and says nothing',
  'a code of brokers': 'nothing is answered by 4.9; an answer with code 3 saves its client a time-out',
  'put KV without a key': 'another remark',
  'put KV without a value': 'Apache keeps a null, and brokers that read it do not start (apache/rocketmq #2935)',
  'a body that is none': "another remark: ours has no Java stack's",
  'no broker name': "another remark: ours has no Java stack's",
}
const UNLIKE_5_3: Record<string, string> = {
  'member group': 'only the remark: "not set any response code"',
  'member group of nobody': 'only the remark: "not set any response code"',
  'route Late': '5.x takes topics that it does not know even from a version that it knows; 4.9 and ours do not',
  'put KV without a key': UNLIKE_4_9['put KV without a key'],
  'put KV without a value': UNLIKE_4_9['put KV without a value'],
  'a body that is none': UNLIKE_4_9['a body that is none'],
  'no broker name': UNLIKE_4_9['no broker name'],
}

const waitFor = (difference: string | undefined) => (/nothing/.test(difference ?? '') ? NO_ANSWER_MS : ANSWER_MS_MAX)

/** Ours says behind Apache's words how many brokers it knows: users see at once that they asked the wrong NameServer. */
const WHO_IS_HERE = /\n(No broker is|\d+ broker names? (is|are)) registered with this NameServer.*$/

/** 5.3 says stateVersion where it is 0, and has another address for its FAQ. */
function likeOurs(said: Said | undefined): Said | undefined {
  if (said === undefined) return undefined
  const body = said.body as Record<string, unknown> | undefined
  const version = body !== undefined && body.stateVersion === 0 && 'counter' in body
  const { stateVersion, ...rest } = version ? body : { ...body, stateVersion: undefined }
  const remark = said.remark
    ?.replace('https://rocketmq.apache.org/docs/bestPractice/06FAQ', 'http://rocketmq.apache.org/docs/faq/')
    .replace(WHO_IS_HERE, '')
  return { ...said, remark, body: version ? rest : said.body }
}

async function answerOf(talk: Talk, by: string, ask: Ask, ms = ANSWER_MS_MAX): Promise<Said | undefined> {
  return likeOurs(await Promise.race([talk.ask(by, ask), sleep(ms, undefined, { ref: false })]))
}

describe.skipIf(!there).each(CLIENTS)('ours and a NameServer %s', (version) => {
  const scratch = new Scratch()
  let ours: NamesrvHandle
  let apache: ApacheServer
  let talks: Talk[] = []

  beforeAll(async () => {
    ours = await startNamesrv({ port: 0, host: '127.0.0.1' })
    apache = await startApacheNamesrv({ version, folder: scratch.sub('namesrv') })
  }, 60_000)
  afterAll(async () => {
    await ours?.close()
    await apache?.kill()
    scratch.remove()
  })
  const talk = () => {
    talks = [new Talk(ours.port), new Talk(apache.port)]
  }
  const settle = async (by: string, ask: Ask): Promise<(Said | undefined)[]> => {
    // Hang-ups are noticed a moment later, and 5.3 puts what leaves into a queue.
    const until = performance.now() + SETTLED_MS_MAX
    for (;;) {
      const said = await Promise.all(talks.map((one) => answerOf(one, by, ask)))
      if (JSON.stringify(said[0]) === JSON.stringify(said[1]) || performance.now() > until) return said
      await sleep(20)
    }
  }

  test('every request, good and bad', async () => {
    talk()
    const known = version.startsWith('4.') ? UNLIKE_4_9 : UNLIKE_5_3
    const shown = new Set<string>()
    const problems: string[] = []
    for (const { name, by, ask, hangsUp } of SCRIPT as Step[]) {
      if (hangsUp === true) await Promise.all(talks.map((one) => one.hangUp(by)))
      if (ask === undefined) continue
      const plain = name.replace(/^\d+ /, '')
      const reads = [101, 105, 106, 206, 219, 224, 304, 311, 312, 313, 901].includes(ask.code)
      const [mine, theirs] =
        reads && known[plain] === undefined
          ? await settle(by, ask)
          : await Promise.all(talks.map((one) => answerOf(one, by, ask, waitFor(known[plain]))))
      if (JSON.stringify(mine) === JSON.stringify(theirs)) continue
      if (known[plain] === undefined)
        problems.push(`${name}\n  ours   ${JSON.stringify(mine)}\n  theirs ${JSON.stringify(theirs)}`)
      shown.add(plain)
    }
    for (const one of talks) await one.end()
    expect(problems).toEqual([])
    expect(Object.keys(known).filter((name) => !shown.has(name))).toEqual([])
  })

  test('random lives of a cluster: routes and members agree after every step', async () => {
    talk()
    const seed = Number(process.env.BASALT_SEED ?? Date.now() % 1_000_000)
    const life = new Life(seed, version.startsWith('4.'))
    for (let step = 0; step < 120; step += 1) {
      const move = life.next()
      if (move.hangsUp) await Promise.all(talks.map((one) => one.hangUp(move.by)))
      else {
        const said = await Promise.all(talks.map((one) => one.ask(move.by, move.ask)))
        expect(said[0], `seed ${seed} step ${step}: ${JSON.stringify(move)}`).toEqual(said[1])
      }
      for (const ask of LOOKS) {
        const [mine, theirs] = await settle('client', ask)
        expect(mine, `seed ${seed} step ${step}: ${JSON.stringify(move)}, then ${JSON.stringify(ask)}`).toEqual(theirs)
      }
    }
    for (const one of talks) await one.end()
  })
})

const TOPICS = ['T', 'U', 'V', 'W']
const LOOKS: Ask[] = [
  ...TOPICS.map((topic) => ({ code: 105, ext: { topic } })),
  { code: 106 },
  { code: 224, ext: { cluster: 'C' } },
]

type Move = { by: string; hangsUp: true } | { by: string; hangsUp: false; ask: Ask }

/**
 * Brokers a and b with ids 0 to 2 on three hosts each, which register, change, move, unregister and hang up; topics are
 * deleted. Left out is what the two versions or ours do otherwise on purpose: single topics, wiped permissions, a broker that
 * unregisters an id which somebody else has taken; and in 5.3, which puts deleted topics back, deletions.
 */
class Life {
  private state: number
  private readonly isLike49: boolean
  /** "a1" → the connection it has registered over, and under which id. */
  private readonly hosts = new Map<string, { by: string; id: number; counter: number }>()
  private connections = 0
  private versions = 0

  constructor(seed: number, isLike49: boolean) {
    this.state = seed
    this.isLike49 = isLike49
  }

  next(): Move {
    const dice = this.roll(10)
    const live = [...this.hosts]
    if (dice < 2 && live.length > 0) {
      const [host, { by }] = live[this.roll(live.length)]
      this.hosts.delete(host)
      return { by, hangsUp: true }
    }
    if (dice === 2 && live.length > 0) {
      const [host, { by, id }] = live[this.roll(live.length)]
      const isHolder = this.holders(host[0]).get(id) === host
      if (isHolder) {
        this.hosts.delete(host)
        return { by, hangsUp: false, ask: { code: 104, ext: this.headerOf(host, id) } }
      }
    }
    if (dice === 3 && this.isLike49) {
      return { by: 'client', hangsUp: false, ask: { code: 216, ext: { topic: TOPICS[this.roll(TOPICS.length)] } } }
    }
    return this.register()
  }

  private register(): Move {
    const host = `${'ab'[this.roll(2)]}${this.roll(3)}`
    const known = this.hosts.get(host)
    const id = known !== undefined && this.roll(4) > 0 ? known.id : this.roll(3)
    // 5.3 takes unknown topics from known versions, too, and remembers the version of a broker whose place was taken before
    // it hung up: there no version comes twice.
    const counter = this.isLike49 ? (known?.counter ?? 0) + this.roll(2) : ++this.versions
    const by = known?.by ?? `connection ${++this.connections}`
    this.hosts.delete(host)
    this.hosts.set(host, { by, id, counter })
    const first = this.roll(TOPICS.length)
    const names = new Set([TOPICS[first], TOPICS[(first + 1 + this.roll(3)) % 4], TOPICS[this.roll(4)]])
    const topics = [...names].map((topicName) => ({
      topicName,
      perm: [2, 4, 6, 7][this.roll(4)],
      topicSysFlag: this.roll(4),
    }))
    return { by, hangsUp: false, ask: registerAsk(topics, this.headerOf(host, id), counter) }
  }

  /** Who holds which id of a name: the last one that registered. */
  private holders(name: string): Map<number, string> {
    const holders = new Map<number, string>()
    for (const [host, { id }] of this.hosts) if (host[0] === name) holders.set(id, host)
    return holders
  }

  private headerOf(host: string, id: number): Record<string, string> {
    const brokerAddr = `${host}:10911`
    return header({ brokerName: host[0], brokerAddr, brokerId: String(id), haServerAddr: `${host}:10912` })
  }

  /** mulberry32: the same seed makes the same life. */
  private roll(below: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}
