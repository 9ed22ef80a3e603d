/**
 * One round of the loss experiment on a master, where the mode has one with its slave: a cluster of its own, load, one failure, and the
 * count of what is left. Of a group: group-round.ts.
 *
 *   process-crash   kill -9 of the master; it is started again at once on the same store (the page cache has survived)
 *                   found: what the restarted master has
 *   machine-crash   kill -9, and its store becomes what was surely on disk by the observer's word (observer.ts), with torn sectors in
 *                   two rounds of three; the link loses what was under way; it is started again. The slave is another machine and lives
 *                   found: what the master or the slave has
 *   disk-lost       kill -9, its store is deleted, the link loses what was under way. Nobody starts it again
 *                   found: what the slave has
 *
 * A slave that is ahead of its restarted master is named and never written over nor counted: where a mode needs a slave, writes
 * stay away until an administrator decides. A machine's own boot is in no time here, nor is the observer's rebuilding.
 *
 * Owns:      its folder and processes; gone when it resolves. Blocks on: disks, for the rebuilding.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from '../cluster.ts'
import { Link } from '../link.ts'
import type { LossRound } from '../results.ts'
import { type FirstRead, firstRead, firstWrite, Stopwatch, sendProbe } from './back.ts'
import { countLoss } from './count.ts'
import type { Ledger, ReadMessage } from './load.ts'
import { BACK_MS_MAX, cutPower, loadUntilFailure, patience, type RoundOptions, readFrom, slowDisk } from './scene.ts'

/** The reads of a slave come before the experiment is busy with the master's disk. */
const SLAVE_READS_MS_MAX = 2000

export async function lossRound(options: RoundOptions): Promise<LossRound> {
  const { folder, mode, settings, observer, end } = options
  rmSync(folder, { recursive: true, force: true })
  const disk = join(folder, 'disk')
  mkdirSync(disk, { recursive: true })
  observer?.adopt(disk)
  let link: Link | undefined
  let cluster: Cluster | undefined
  const stop = () => void cluster?.close()
  end.addEventListener('abort', stop)
  try {
    cluster = await Cluster.start({
      folder: join(folder, 'cluster'),
      mode,
      namesrv: mode.replication !== 'none',
      config: settings.config,
      masterConfig: { storePathRootDir: disk, storePathCommitLog: join(disk, 'commitlog') },
      env: slowDisk(settings, disk, observer),
      signal: end,
      link: async (address) => {
        link = await Link.to(address, settings.rttMs)
        return link.address
      },
    })
    end.throwIfAborted()
    return await failAndCount(cluster, link, disk, options)
  } finally {
    end.removeEventListener('abort', stop)
    await cluster?.close()
    await link?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function failAndCount(
  cluster: Cluster,
  link: Link | undefined,
  disk: string,
  options: RoundOptions,
): Promise<LossRound> {
  const { failure, observer, tearing, end, say } = options
  const { master, slave } = cluster
  const { ledger, load } = await loadUntilFailure(master, options)
  const watch = new Stopwatch()
  const killed = master.kill()
  // With its machine goes what is under way. Now: what it had sent would arrive while we wait for its end.
  if (failure !== 'process-crash') link?.cut()
  await killed
  const over = patience(end)
  const remaining = failure === 'disk-lost' ? [slave].filter((node) => node !== undefined) : [...cluster.nodes]
  const read = remaining.length === 0 ? undefined : firstRead(remaining, watch, over.signal)
  try {
    await load.stop()
    if (slave !== undefined) await Promise.race([read, sleep(SLAVE_READS_MS_MAX)])
    if (failure === 'disk-lost') {
      rmSync(disk, { recursive: true, force: true })
      const writes = slave !== undefined && (await sendProbe(slave.address)) === 0 ? watch.ms : undefined
      return result(ledger, await read, writes, { slave: await readFrom(slave) })
    }
    if (failure === 'machine-crash') watch.hold(() => cutPower(observer, disk, tearing))
    const [, writes] = await Promise.all([master.start(), firstWrite(cluster, watch, over.signal)])
    const first = await read
    end.throwIfAborted()
    if (first === undefined) say(`no message could be read within ${BACK_MS_MAX} ms`)
    if (writes === 'late') say(`no message was acknowledged within ${BACK_MS_MAX} ms, and neither broker said why`)
    const sides = {
      master: await readFrom(master),
      slave: failure === 'process-crash' ? undefined : await readFrom(slave),
    }
    return result(ledger, first, typeof writes === 'number' ? writes : undefined, sides)
  } finally {
    over.close()
    await read
  }
}

function result(
  ledger: Ledger,
  first: FirstRead | undefined,
  writes: number | undefined,
  sides: { master?: ReadMessage[] | undefined; slave?: ReadMessage[] | undefined },
): LossRound {
  return {
    ...countLoss(ledger, sides),
    readsBackMs: first?.ms ?? -1,
    writesBackMs: writes ?? -1,
    servedBy: first?.from.role ?? 'nobody',
  }
}
