/**
 * When a cluster serves again after a failure, as its clients see it: the first read, the first acknowledged send. Milliseconds since
 * the failure, less what the experiment itself took meanwhile (Stopwatch.hold).
 *
 * Blocks on: nothing; polls.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { BareClient } from '../bare-client.ts'
import type { BrokerNode } from '../broker-node.ts'
import { READY_TOPIC } from '../broker-node.ts'
import type { Cluster } from '../cluster.ts'

/** Of the probes' own messages, which count for nothing. */
const PROBE_TOPIC = 'BenchProbe'
const EVERY_MS = 5
/** A message that was stored without what its mode promises is sent again, as a producer does that wants to know. */
const AGAIN_MS = 25
const ANSWER_MS_MAX = 5000
const OK = 0
const SLAVE_NOT_AVAILABLE = 11
/** A slave has what its master has lost: neither is written over before an administrator has decided. The master sees a longer log … */
const SLAVE_IS_AHEAD = 'bytes that this master does not have'
/** … or its own has outgrown it by then, and the slave sees another one. */
const SLAVE_HAS_ANOTHER_LOG = 'this slave cannot follow it'

export class Stopwatch {
  private readonly start = performance.now()
  private held = 0

  get ms(): number {
    return performance.now() - this.start - this.held
  }

  /** Work of the experiment that no failure would bring with it. */
  hold<T>(work: () => T): T {
    const from = performance.now()
    try {
      return work()
    } finally {
      this.held += performance.now() - from
    }
  }
}

export interface FirstRead {
  readonly ms: number
  readonly from: BrokerNode
}

/** A consumer that knows all brokers of its route and asks one after the other for the first message of a queue. */
export async function firstRead(
  nodes: readonly BrokerNode[],
  watch: Stopwatch,
  end: AbortSignal,
): Promise<FirstRead | undefined> {
  while (!end.aborted) {
    for (const from of nodes) if (await reads(from.address)) return { ms: watch.ms, from }
    await sleep(EVERY_MS)
  }
  return undefined
}

/**
 * A producer that tries again and again, until it is acknowledged. byHand: its mode needs a slave, and the one there is is ahead of its
 * master, until an administrator decides. late: it was given up.
 */
export async function firstWrite(
  { master, slave }: Pick<Cluster, 'master' | 'slave'>,
  watch: Stopwatch,
  end: AbortSignal,
): Promise<number | 'byHand' | 'late'> {
  while (!end.aborted) {
    const code = await sendProbe(master.address)
    if (code === OK) return watch.ms
    if (code === SLAVE_NOT_AVAILABLE) {
      if (master.process.output().includes(SLAVE_IS_AHEAD)) return 'byHand'
      if (slave?.process.output().includes(SLAVE_HAS_ANOTHER_LOG)) return 'byHand'
    }
    await sleep(code === -1 ? EVERY_MS : AGAIN_MS)
  }
  return 'late'
}

/** A producer that knows all members of a group and tries each, until one acknowledges. */
export async function firstWriteOf(
  nodes: readonly BrokerNode[],
  watch: Stopwatch,
  end: AbortSignal,
): Promise<number | undefined> {
  let first: number | undefined
  const tryOne = async (node: BrokerNode) => {
    while (first === undefined && !end.aborted) {
      if (node.isRunning && (await sendProbe(node.address)) === OK) first ??= watch.ms
      else await sleep(EVERY_MS)
    }
  }
  await Promise.race([Promise.all(nodes.map(tryOne)), ended(() => first !== undefined || end.aborted)])
  return first
}

/** A member that neither answers nor refuses holds its asker for longer than anybody waits here. */
async function ended(test: () => boolean): Promise<void> {
  while (!test()) await sleep(EVERY_MS)
}

async function reads(address: string): Promise<boolean> {
  const client = new BareClient(address)
  try {
    const { code, messages } = await client.pull(READY_TOPIC, 0, 0, { count: 1 })
    return code === OK && messages.length > 0
  } catch {
    return false
  } finally {
    await client.close()
  }
}

/** The answer's code; -1 without one. */
export async function sendProbe(address: string): Promise<number> {
  const client = new BareClient(address)
  try {
    return (await client.send(PROBE_TOPIC, 'writes?', {}, ANSWER_MS_MAX)).code
  } catch {
    return -1
  } finally {
    await client.close()
  }
}
