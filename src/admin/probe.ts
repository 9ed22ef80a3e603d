/**
 * How long sends take, and what is answered: small messages, one after the other, to queues in turn.
 *
 * A topic of a broker's name, which every broker has by itself, takes them where no topic of users is meant.
 */
import type { AdminClient } from './admin-client.ts'
import { AdminError } from './admin-error.ts'
import { sendMessage } from './messages.ts'
import type { PlacedQueue } from './offsets.ts'

export interface Shot extends PlacedQueue {
  ms: number
  /** 0; 10, 11, 12: stored, but not as safely as asked for; -1: no answer. Else why it was refused. */
  code: number
  /** Empty where it is stored. */
  error: string
}

export interface ProbeOptions {
  count: number
  size: number
  now(): number
}

const PROPERTIES: [string, string][] = [['WAIT', 'true']]
const GROUP = 'BASALT_ADMIN_PROBE'

export async function* probe(
  admin: AdminClient,
  queues: readonly PlacedQueue[],
  { count, size, now }: ProbeOptions,
): AsyncGenerator<Shot> {
  const body = Buffer.alloc(size, 'x')
  for (let i = 0; i < count; i++) {
    const queue = queues[i % queues.length]
    const { topic, queueId, address } = queue
    const began = performance.now()
    let code: number
    let error = ''
    try {
      code = (
        await sendMessage(admin, address, { topic, queueId, body, properties: PROPERTIES, group: GROUP, now: now() })
      ).code
    } catch (failure) {
      // Whoever is not let in is not measured.
      if (!(failure instanceof AdminError) || failure.code === 'NOT_ALLOWED') throw failure
      code = failure.answerCode ?? -1
      error = failure.message
    }
    yield { ...queue, ms: performance.now() - began, code, error }
  }
}

export interface Latency {
  count: number
  failed: number
  /** Of all that were answered, in milliseconds; 0 where none was. */
  mean: number
  p50: number
  p99: number
  max: number
}

export function latencyOf(shots: readonly Shot[]): Latency {
  const times = shots
    .filter(({ error }) => error === '')
    .map(({ ms }) => ms)
    .sort((a, b) => a - b)
  const at = (part: number) => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0
  return {
    count: shots.length,
    failed: shots.length - times.length,
    mean: times.length === 0 ? 0 : times.reduce((sum, ms) => sum + ms, 0) / times.length,
    p50: at(0.5),
    p99: at(0.99),
    max: times.at(-1) ?? 0,
  }
}
