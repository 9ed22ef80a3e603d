/**
 * One round of the loss experiment on a group in DLedger's mode: load on its leader, one failure, and the count of what whoever leads
 * afterwards has.
 *
 *   process-crash    kill -9 of the leader, which stays away
 *   machine-crash    kill -9 of the leader; the link loses what was under way. Its store becomes what was surely on disk (observer.ts), with
 *                    torn sectors in two rounds of three; it comes back when the others have elected, as machines boot slower
 *   majority-crash   the same of the leader and another member at once. Both are started again at once: one alone acknowledges nothing
 *   disk-lost        kill -9 of the leader, its store is deleted, the link loses what was under way. It stays away
 *
 * Each member is a machine of its own: a disk, an observer, a link to each other one.
 *
 * Owns:      its folder and processes; gone when it resolves. Blocks on: disks, for the rebuilding.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { READY_TOPIC } from '../broker-node.ts'
import { Cluster } from '../cluster.ts'
import { MEMBERS } from '../group.ts'
import { Link } from '../link.ts'
import type { LossRound } from '../results.ts'
import { firstRead, firstWriteOf, Stopwatch } from './back.ts'
import { countLoss } from './count.ts'
import type { Observer } from './observer.ts'
import { BACK_MS_MAX, cutPower, loadUntilFailure, patience, type RoundOptions, readFrom, slowDisk } from './scene.ts'

/** Else a round waits six seconds for an election. `--set` wins. */
const FAST = { dLedgerFastElection: true }

/** Until logs are equal again that can be. */
const APART_MS = 5000

interface Machine {
  readonly disk: string
  readonly observer: Observer | undefined
}

/** From one machine to another, by their numbers. */
interface Way {
  readonly ends: readonly [number, number]
  readonly link: Link
}

export async function groupRound(options: RoundOptions): Promise<LossRound> {
  const { folder, mode, settings, observer, end } = options
  rmSync(folder, { recursive: true, force: true })
  const machines = Array.from({ length: MEMBERS }, (_, index): Machine => {
    const disk = join(folder, `disk-${index}`)
    mkdirSync(disk, { recursive: true })
    const own = observer?.another(join(folder, `observer-${index}`))
    own?.adopt(disk)
    return { disk, observer: own }
  })
  const ways: Way[] = []
  let cluster: Cluster | undefined
  const stop = () => void cluster?.close()
  end.addEventListener('abort', stop)
  try {
    cluster = await Cluster.start({
      folder: join(folder, 'cluster'),
      mode,
      config: { ...FAST, ...settings.config },
      memberConfig(index) {
        const { disk } = machines[index]
        return { storePathRootDir: disk, storePathCommitLog: join(disk, 'commitlog') }
      },
      memberEnv: (index) => slowDisk(settings, machines[index].disk, machines[index].observer),
      signal: end,
      link: async (address, from, to) => {
        const link = await Link.to(address, settings.rttMs)
        ways.push({ ends: [from, to], link })
        return link.address
      },
    })
    end.throwIfAborted()
    await cluster.waitForTopic(READY_TOPIC)
    return await failAndCount(cluster, machines, ways, options)
  } finally {
    end.removeEventListener('abort', stop)
    await cluster?.close()
    await Promise.all(ways.map(({ link }) => link[Symbol.asyncDispose]()))
    rmSync(folder, { recursive: true, force: true })
  }
}

async function failAndCount(
  cluster: Cluster,
  machines: readonly Machine[],
  ways: readonly Way[],
  options: RoundOptions,
): Promise<LossRound> {
  const { failure, random, tearing, end, say } = options
  const leader = cluster.master
  const { ledger, load } = await loadUntilFailure(leader, options)
  const others = cluster.slaves
  const failed = failure === 'majority-crash' ? [leader, others[Math.floor(random() * others.length)]] : [leader]
  const numbers = failed.map((node) => cluster.nodes.indexOf(node))
  const watch = new Stopwatch()
  const killed = failed.map((node) => node.kill())
  if (failure !== 'process-crash') {
    for (const { ends, link } of ways) if (ends.some((number) => numbers.includes(number))) link.cut()
  }
  await Promise.all(killed)
  const over = patience(end)
  const read = firstRead(
    others.filter((node) => !failed.includes(node)),
    watch,
    over.signal,
  )
  const comeBack = () => {
    for (const number of numbers) cutPower(machines[number].observer, machines[number].disk, tearing)
    return Promise.all(failed.map((node) => node.start()))
  }
  try {
    await load.stop()
    if (failure === 'disk-lost') rmSync(machines[numbers[0]].disk, { recursive: true, force: true })
    // Nobody can be elected meanwhile: what the rebuilding takes is no time of the group's.
    const back = failure === 'majority-crash' ? watch.hold(comeBack) : undefined
    const [writes] = await Promise.all([firstWriteOf(cluster.nodes, watch, over.signal), back])
    const first = await read
    end.throwIfAborted()
    if (first === undefined) say(`no message could be read within ${BACK_MS_MAX} ms`)
    if (writes === undefined) say(`no message was acknowledged within ${BACK_MS_MAX} ms`)
    if (failure === 'machine-crash') {
      await comeBack()
      await cluster.waitInSync()
    }
    // With what a majority has lost the third member may be alone: what it knows to be committed it does not cut off.
    if (failure === 'majority-crash')
      await cluster.waitInSync(APART_MS).catch(() => say('a member stays apart from its leader'))
    const now = await cluster.findLeader()
    return {
      ...countLoss(ledger, { slave: await readFrom(now) }),
      readsBackMs: first?.ms ?? -1,
      writesBackMs: writes ?? -1,
      servedBy: first === undefined ? 'nobody' : 'member',
    }
  } finally {
    over.close()
    await read
  }
}
