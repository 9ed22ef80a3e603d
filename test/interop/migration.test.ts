/**
 * docs/migration.md, step by step, under load: Apache 4.9.7 → Basalt → Apache by joining as a slave, and by opening the folder. One
 * Java process sends and consumes all the while; a ledger says what was lost.
 */
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { blockCount, readChecksums, writeChecksums } from '../../src/store/checksums/index.ts'
import { freeBrokerPort, type ServerProcess, until } from '../../tools/apache/process.mjs'
import { logStart } from '../ha/support.ts'
import { admin, Place, sameBytes, standStill, startNames } from './support/moving.ts'
import { differences, hashes, holes, producer, pushConsumer, readAll, steadyClients } from './support/programs.ts'
import { apacheIsThere, KIND, ORACLE, Scratch, SMALL_FILES } from './support/systems.ts'

const LOG_FILE = Number(SMALL_FILES.mappedFileSizeCommitLog)
/** Of no segment that there is. */
const HASHED = {
  ...{ start: 1 << 30, size: LOG_FILE, hashedAt: 1, modifiedAt: 1n, inode: 1n },
  hashes: new BigUint64Array(blockCount(LOG_FILE)),
}
const OLD = 400
const DELAYED = 20
/** Level 2: sent before the first change of roles, due after it. */
const LEVELS = { messageDelayLevel: '1s 15s 30s' }
const LEVEL = '2'
const SUCCESS = 0

/** What Apache's broker held when it stopped is consumed 29 s later, as measured; after a stop of ours at once. */
const AGAIN_MS = 60_000

type Clients = ReturnType<typeof steadyClients>

/** What the guide calls "closed": all but the last file of the log. */
function copyClosedFiles(from: string, to: string): number {
  const names = readdirSync(join(from, 'commitlog')).sort().slice(0, -1)
  mkdirSync(join(to, 'commitlog'), { recursive: true })
  for (const name of names) copyFileSync(join(from, 'commitlog', name), join(to, 'commitlog', name))
  return names.length
}

/** Every acknowledged message was consumed. One that was stored without its sender hearing of it may be consumed, too. */
function lost(clients: Clients): string[] {
  return differences(hashes(clients.acknowledged()), hashes(clients.received())).filter(
    (line) => !line.endsWith('was never sent'),
  )
}

/** The consumer has what was acknowledged until now: it has found its way. */
async function consumed(clients: Clients): Promise<void> {
  const sent = clients.acknowledged()
  const isThere = () => {
    const received = hashes(clients.received())
    return sent.every(({ key, hash }) => received.get(key) === hash)
  }
  await until(isThere, AGAIN_MS, undefined, 50)
}

describe.skipIf(KIND !== 'basalt' || !apacheIsThere(ORACLE))('moving from Apache and back, under load', () => {
  const scratch = new Scratch()
  let namesrv = ''
  let names: ServerProcess
  let places: Place[] = []
  let began = 0

  beforeEach(async () => {
    const started = await startNames(scratch)
    names = started.process
    namesrv = started.address
    began = performance.now()
  })
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') for (const place of places) console.error(`${place.store}:\n${place.log()}`)
    for (const place of places) await place.kill()
    places = []
    await names.kill()
  })
  afterAll(() => scratch.remove())

  const place = async (name: string) => {
    const one = new Place(scratch, namesrv, await freeBrokerPort(), name)
    places.push(one)
    return one
  }
  /** A broker that has restarted serves a consumer from its next heartbeat on: by default that is up to half a minute. */
  const clientsOf = (topic: string) => {
    const clients = steadyClients(scratch, ORACLE, { namesrv, topic, group: topic, pause: 4, heartbeat: 1000 })
    onTestFinished(() => clients.program.kill())
    return clients
  }
  /** How long the steps took, for the guide: BASALT_STEPS=1. */
  const step = (what: string) => {
    if (process.env.BASALT_STEPS !== undefined) console.log(`${Math.round(performance.now() - began)} ms: ${what}`)
  }

  /** Steps 3 and 4 of the guide: no more writes, the slave has everything, the master stops, the slave becomes master. */
  const changeRoles = async (master: Place, slave: Place, to: 'apache' | 'basalt', between?: () => Promise<void>) => {
    const [said] = await admin(
      scratch,
      namesrv,
      ...[['updateBrokerConfig', '-b', master.address, '-k', 'brokerPermission', '-v', '4']],
    )
    expect(said).toContain('update broker config success')
    step('no more writes')
    const end = await standStill(master, slave)
    step('the slave has everything')
    expect(await master.stop()).toBe(true)
    step('the master is stopped')
    await between?.()
    step('the slave alone')
    expect(await slave.stop()).toBe(true)
    await slave.start(to, 'ASYNC_MASTER', LEVELS)
    step('the slave is master')
    return end
  }

  test('by joining as a slave: the consumer goes on, none of the acknowledged is lost', async () => {
    const apache = await place('apache')
    const basalt = await place('basalt')
    await apache.start('apache', 'ASYNC_MASTER', LEVELS)
    const options = { namesrv, topic: 'Old', count: OLD, max: 24_000, seed: 7, threads: 4 }
    const old = await producer(scratch, ORACLE, options).done()
    await apache.createTopic('Moving')
    // A topic that comes in the last seconds before the change may miss the tables' copy: the guide has a wait.
    await apache.createTopic('Later')
    const clients = clientsOf('Moving')
    await clients.more(50)
    step('clients are there')

    // 1. Its closed files first: an empty slave would get the last one only.
    expect(copyClosedFiles(apache.store, basalt.store)).toBeGreaterThan(1)
    await basalt.start('basalt', 'SLAVE', LEVELS)
    const behind = await apache.logEnd()
    await until(async () => (await basalt.logEnd()) >= behind, 20_000, undefined, 50)
    step('the slave has caught up')
    expect(logStart(basalt.store, LOG_FILE)).toBe(0)
    for (const topic of ['Moving', 'Old', 'Later']) await until(() => basalt.hasTopic(topic), 20_000, undefined, 100)
    expect((await basalt.client.pull('Old', 0, 0)).code).toBe(SUCCESS)
    step('the slave has the tables')
    const delayed = { namesrv, topic: 'Later', count: DELAYED, seed: 8, delay: LEVEL }
    const later = await producer(scratch, ORACLE, delayed).done()

    await consumed(clients)
    expect(clients.failed()).toEqual([])
    // 2. to 4. A group that comes while only the slave is there reads all that is old from it.
    const read = { namesrv, topic: 'Old', group: 'LateReader', distinct: OLD, idle: 30_000 }
    const first = await changeRoles(apache, basalt, 'basalt', async () => {
      const received = await pushConsumer(scratch, ORACLE, read).done()
      expect(differences(hashes(old.acknowledged), hashes(received))).toEqual([])
    })
    expect(sameBytes(apache, basalt, first)).toEqual({ from: 0, equal: true })
    await clients.more(150)
    step('sends go to Basalt')
    await consumed(clients)
    step('consumed from Basalt')
    const failed = clients.failed().length
    const waiting = { namesrv, topic: 'Later', group: 'Later', distinct: DELAYED, idle: 60_000 }
    const due = await pushConsumer(scratch, ORACLE, waiting).done()
    expect(differences(hashes(later.acknowledged), hashes(due))).toEqual([])
    step('what was delayed came')

    // 5. Back: Apache's old store is the beginning of Basalt's, and goes on as a slave.
    await apache.start('apache', 'SLAVE', LEVELS)
    step('Apache is a slave')
    const behindAgain = await basalt.logEnd()
    await until(async () => (await apache.logEnd()) >= behindAgain, 60_000, undefined, 100)
    step('Apache has caught up')
    // A send fails while nobody takes writes, and at no other time.
    expect(clients.failed().length).toBe(failed)
    const second = await changeRoles(basalt, apache, 'apache')
    expect(second).toBeGreaterThan(first)
    expect(sameBytes(apache, basalt, second)).toEqual({ from: 0, equal: true })
    await clients.more(150)
    step('sends go to Apache')
    await consumed(clients)
    step('consumed from Apache')
    await clients.stop()
    expect(lost(clients)).toEqual([])
    // By id nobody asks: an id names the address of the broker that stored the message, which may be gone.
    const all = await readAll(scratch, ORACLE, { namesrv, topics: 'Moving,Old,Later', lookup: 0 })
    expect(all.bad).toEqual([])
    expect(holes(all.records)).toEqual([])
    const sent = [...clients.acknowledged(), ...old.acknowledged, ...later.acknowledged]
    const stored = hashes(all.records)
    expect([...hashes(sent)].filter(([key, hash]) => stored.get(key) !== hash)).toEqual([])
    step(`${clients.failed().length} sends failed, ${clients.acknowledged().length} were acknowledged`)
  })

  test('by opening the folder: the clients see two restarts, none of the acknowledged is lost', async () => {
    const one = await place('folder')
    await one.start('apache', 'ASYNC_MASTER')
    await one.createTopic('Folder')
    const clients = clientsOf('Folder')
    await clients.more(200)
    for (const next of ['basalt', 'apache'] as const) {
      step('stop')
      expect(await one.stop()).toBe(true)
      step('stopped')
      // Side checksums are in a folder of ours, which a broker of Apache's leaves alone.
      if (next === 'apache') writeChecksums(one.store, HASHED)
      await one.start(next, 'ASYNC_MASTER')
      await clients.more(1)
      step(`${next} serves`)
      if (next === 'apache') expect(readChecksums(one.store, HASHED.start)).toEqual({ kind: 'ok', checksums: HASHED })
      await clients.more(300)
      await consumed(clients)
      step(`consumed from ${next}`)
    }
    await clients.stop()
    expect(lost(clients)).toEqual([])
    const all = await readAll(scratch, ORACLE, { namesrv, topics: 'Folder', lookup: 20 })
    expect(all.bad).toEqual([])
    expect(holes(all.records)).toEqual([])
    const stored = hashes(all.records)
    expect([...hashes(clients.acknowledged())].filter(([key, hash]) => stored.get(key) !== hash)).toEqual([])
    step(`${clients.failed().length} sends failed, ${clients.acknowledged().length} were acknowledged`)
  })
})
