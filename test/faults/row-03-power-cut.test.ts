/**
 * Row 3: power cuts at random moments under load, judged by an observer that knows only what the system calls promise.
 *
 * After each cut the store is rebuilt from what was surely on disk, with or without torn sectors of what was not, and a
 * broker starts on it. SYNC_FLUSH: every acknowledged message is there. ASYNC_FLUSH: those are missing at most that lay
 * above the `flushed` that the broker had told. FAULTS_SEED=n repeats a run's choices,
 * FAULTS_ROUNDS=n sets the number of cuts.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import type { BrokerConfig } from '../../src/config/index.ts'
import { TestClient } from '../support/client.ts'
import { apacheIsThere, ORACLE, readByApache } from './support/apache-opens.ts'
import { spawnBroker, startBrokerProcess, TINY } from './support/broker-process.ts'
import {
  findByKeys,
  judge,
  Ledger,
  Load,
  missing,
  type Place,
  pause,
  type ReadMessage,
  readBack,
} from './support/load.ts'
import { mutants } from './support/mutants.ts'
import { hasObserver, Observer, type Random, randomFrom, type Tearing } from './support/power-cut.ts'
import { isLong, storeFolder } from './support/scratch.ts'
import { positionsIn, verifyStore } from './support/verify-store.ts'

const ROUNDS = Number(process.env.FAULTS_ROUNDS ?? (isLong ? 100 : 3))
const LOAD_MS_MIN = 150
const START_MS_MAX = 600
const LOAD_MS_MAX = isLong ? 3000 : 500
const SEED = Number(process.env.FAULTS_SEED ?? Date.now() % 1_000_000)

interface Outcome {
  problems: string[]
  lost: number
  acknowledged: number
}

interface CutOptions {
  config: Partial<BrokerConfig>
  rounds: number
  random: Random
  /** Each sync of a file takes so much longer, microseconds: a slower disk. */
  delayUs?: number
  /** The package that is run. */
  root?: string
}

/** Load, cut, rebuild, look; then on with the same store. Stops at the first round with problems. */
async function cutAgainAndAgain({ config, rounds, random, delayUs = 0, root }: CutOptions): Promise<Outcome> {
  using scratch = storeFolder()
  const observer = Observer.create(scratch.path)!
  const ledger = new Ledger()
  const isAsync = config.flushDiskType === 'ASYNC_FLUSH'
  let store = join(scratch.path, 'store-0')
  mkdirSync(store)
  observer.adopt(store)
  let broker = await startBrokerProcess({ folder: store, config, env: observer.env(store, delayUs), root })
  const topics: string[] = []
  let lost = 0
  const outcome = (...problems: string[]) => ({ problems, lost, acknowledged: ledger.acknowledged.size })
  try {
    for (let round = 0; round < rounds; round += 1) {
      const tearing = round % 3 === 0 ? undefined : tearingOf(random)
      const load = new Load({ address: broker.address, ledger, inFlight: 1 + Math.floor(random() * 64) })
      load.start()
      await load.acknowledged(1)
      if (await createTopic(broker.address, `Round-${round}`)) topics.push(`Round-${round}`)
      await pause(LOAD_MS_MIN + random() * (LOAD_MS_MAX - LOAD_MS_MIN))
      await broker.kill()
      await load.stop()
      const flushed = Math.max(load.seen('flushed'), positionsIn(store)?.flushed ?? 0)
      store = rebuilt(observer, store, tearing)
      if (round % 3 === 2) store = await cutWhileItStarts({ observer, store, config, tearing: tearingOf(random) })
      broker = await startBrokerProcess({ folder: store, config, env: observer.env(store, delayUs), root })
      const read = await readBack(broker.address)
      const sureBelow = isAsync ? flushed : Number.POSITIVE_INFINITY
      // Round 0 is never torn; a torn one may leave a gap, which stays.
      const mayMiss = ({ physicalOffset }: Place) => physicalOffset >= sureBelow
      const problems = [...load.brokenPositions, ...judge(ledger, read, { gaps: round > 0, mayMiss })]
      if (problems.length > 0) return outcome(`round ${round}, ${JSON.stringify(tearing)}`, ...problems)
      lost += forget(ledger, read)
      problems.push(
        ...(await findSome(broker.address, ledger, random)),
        ...(await absentTopics(broker.address, topics)),
      )
      if (problems.length > 0) return outcome(`round ${round}, ${JSON.stringify(tearing)}`, ...problems)
    }
    const { status } = await broker.stop()
    if (status !== 0) return outcome(`the broker ended with status ${status}`)
    const problems = verifyStore(store, { ...TINY, ...config })
    if (isLong && apacheIsThere(ORACLE)) problems.push(...judge(ledger, await readByApache(store), { gaps: true }))
    return outcome(...problems)
  } finally {
    await broker.kill()
  }
}

/** What a power cut makes of the store, in its place; from there on all of it is on disk. */
function rebuilt(observer: Observer, store: string, tearing: Tearing | undefined): string {
  const next = join(dirname(store), `store-${Number(store.split('-').at(-1)) + 1}`)
  observer.rebuild(store, next, tearing)
  rmSync(store, { recursive: true })
  observer.adopt(next)
  return next
}

interface StartCut {
  observer: Observer
  store: string
  config: Partial<BrokerConfig>
  tearing: Tearing
}

/** Another power cut, while the broker that starts after the first one still recovers. */
async function cutWhileItStarts({ observer, store, config, tearing }: StartCut): Promise<string> {
  const broker = spawnBroker({ folder: store, config, env: observer.env(store) })
  const ended = new Promise((resolve) => broker.once('close', resolve))
  await pause(tearing.random() * START_MS_MAX)
  broker.kill('SIGKILL')
  await ended
  return rebuilt(observer, store, tearing)
}

/** UPDATE_AND_CREATE_TOPIC; true when it was acknowledged. */
async function createTopic(address: string, topic: string): Promise<boolean> {
  const client = new TestClient(address)
  try {
    const numbers = { readQueueNums: '2', writeQueueNums: '2', perm: '6', topicSysFlag: '0' }
    const names = { topic, defaultTopic: 'TBW102', topicFilterType: 'SINGLE_TAG', order: 'false' }
    return (await client.invoke(17, { ...names, ...numbers }, undefined, 30_000)).code === 0
  } finally {
    await client.close()
  }
}

async function absentTopics(address: string, topics: string[]): Promise<string[]> {
  const client = new TestClient(address)
  try {
    const { body } = await client.invoke(21, {}, undefined, 30_000)
    const { topicConfigTable } = JSON.parse(Buffer.from(body!).toString()) as { topicConfigTable: object }
    return topics.filter((topic) => !(topic in topicConfigTable)).map((topic) => `topic ${topic} is gone`)
  } finally {
    await client.close()
  }
}

/** What a cut was allowed to take is not looked for after the next one. */
function forget(ledger: Ledger, read: ReadMessage[]): number {
  const lost = missing(ledger, read)
  for (const [number] of lost) ledger.acknowledged.delete(number)
  return lost.length
}

/** The index finds acknowledged messages by their keys. */
async function findSome(address: string, ledger: Ledger, random: Random): Promise<string[]> {
  const numbers = [...ledger.acknowledged.keys()]
  const chosen = [0, 1, 2].map(() => numbers[Math.floor(random() * numbers.length)])
  const found = await findByKeys(address, chosen)
  return chosen.filter((number) => !found.has(number)).map((number) => `message ${number} is not found by its key`)
}

function tearingOf(random: Random): Tearing {
  const sectors = [0, 0.1, 0.5, 0.9, 1][Math.floor(random() * 5)]
  return { random, sectors, folders: [0, 0.5, 1][Math.floor(random() * 3)] }
}

test.runIf(hasObserver())(`SYNC_FLUSH: a power cut loses no acknowledged message (seed ${SEED})`, async () => {
  const config: Partial<BrokerConfig> = { flushDiskType: 'SYNC_FLUSH' }
  const { problems, lost, acknowledged } = await cutAgainAndAgain({ config, rounds: ROUNDS, random: randomFrom(SEED) })
  expect(problems).toEqual([])
  expect(lost).toBe(0)
  expect(acknowledged).toBeGreaterThan(ROUNDS)
})

test.runIf(hasObserver())(`ASYNC_FLUSH: a power cut loses nothing below flushed (seed ${SEED})`, async () => {
  const config: Partial<BrokerConfig> = { flushDiskType: 'ASYNC_FLUSH', flushIntervalCommitLog: 50 }
  const { problems, acknowledged } = await cutAgainAndAgain({ config, rounds: ROUNDS, random: randomFrom(SEED + 1) })
  expect(problems).toEqual([])
  expect(acknowledged).toBeGreaterThan(ROUNDS)
})

test.runIf(hasObserver()).each(mutants)('the observer catches a broker whose fault is: $name', async ({ make }) => {
  using mutant = make()
  const config: Partial<BrokerConfig> = { flushDiskType: 'SYNC_FLUSH' }
  const random = randomFrom(SEED + 2)
  const { problems } = await cutAgainAndAgain({ config, rounds: 10, random, delayUs: 5000, root: mutant.root })
  expect(problems.join('\n')).toContain('was acknowledged')
})
