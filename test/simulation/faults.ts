/**
 * What goes wrong, and when: a schedule drawn from the seed before the history begins, so that it can be shrunk. Every fault ends by
 * itself; at `quietAt` the world mends what is left. "The leader" is whoever leads when the fault strikes.
 */
import type { Random } from './random.ts'

export type Fault = { at: number; ms: number } & (
  | { kind: 'kill' | 'powerLoss' | 'pause' | 'isolate'; whom: Whom }
  | { kind: 'powerLossOfMany'; count: number; first: number }
  | { kind: 'halves'; order: number[]; count: number }
  | { kind: 'ring'; order: number[] }
  | { kind: 'bridge'; order: number[] }
  | { kind: 'oneWay'; whom: Whom; inward: boolean; peer: number }
  | { kind: 'slowDisk'; whom: Whom; factor: number }
  | { kind: 'fullDisk'; whom: Whom }
  | { kind: 'clock'; whom: Whom; rate: number; jump: number }
  | { kind: 'weather'; loss: number; doubles: number; late: number; lateMs: number; delayMs: number }
  | { kind: 'transfer'; peer: number }
)

/** A member's number, or −1 for the leader. */
export type Whom = number

type Kind = Fault['kind']

/** What a history is mostly about: each kind with its weight, and the mean time between faults. */
const PROFILES: { name: string; everyMs: number; weights: Partial<Record<Kind, number>> }[] = [
  { name: 'crashes', everyMs: 250, weights: { kill: 4, powerLoss: 4, powerLossOfMany: 1, pause: 1, weather: 1 } },
  { name: 'leaders', everyMs: 120, weights: { kill: 3, powerLoss: 2, isolate: 5, pause: 3, transfer: 1, oneWay: 2 } },
  { name: 'network', everyMs: 300, weights: { halves: 3, ring: 1, bridge: 1, oneWay: 2, isolate: 2, weather: 3 } },
  {
    name: 'disks',
    everyMs: 250,
    weights: { slowDisk: 4, fullDisk: 2, powerLoss: 4, powerLossOfMany: 1, isolate: 1, weather: 1 },
  },
  {
    name: 'transfers',
    everyMs: 150,
    weights: { transfer: 5, kill: 1, weather: 1, isolate: 1, slowDisk: 1, pause: 1, clock: 1 },
  },
  {
    name: 'everything',
    everyMs: 180,
    weights: {
      kill: 2,
      powerLoss: 2,
      powerLossOfMany: 1,
      pause: 2,
      isolate: 2,
      halves: 1,
      ring: 1,
      bridge: 1,
      oneWay: 2,
      slowDisk: 1,
      fullDisk: 1,
      clock: 2,
      weather: 2,
      transfer: 2,
    },
  },
]

export function drawFaults(random: Random, size: number, until: number, hasPowerLoss: boolean, scale: number): Fault[] {
  const profile = random.pick(PROFILES)
  const kinds: Kind[] = []
  for (const [kind, weight] of Object.entries(profile.weights) as [Kind, number][])
    for (let i = 0; i < weight; i++) kinds.push(kind)
  const faults: Fault[] = []
  const pace = profile.everyMs * scale
  for (let at = random.between(0.5, 1.5) * pace; at < until; at += random.between(0.2, 1.8) * pace) {
    let kind = random.pick(kinds)
    if (!hasPowerLoss && (kind === 'powerLoss' || kind === 'powerLossOfMany')) kind = 'kill'
    faults.push(draw(random, kind, size, at, random.between(0.1, 1) * random.pick([150, 400, 1200]) * scale))
  }
  return faults
}

function draw(random: Random, kind: Kind, size: number, at: number, ms: number): Fault {
  const whom = random.chance(0.5) ? -1 : random.below(size)
  const order = random.shuffled(Array.from({ length: size }, (_, i) => i))
  const half = Math.floor(size / 2)
  switch (kind) {
    case 'powerLossOfMany':
      return { kind, at, ms, first: random.below(size), count: random.chance(0.3) ? size : half + 1 }
    case 'halves':
      return { kind, at, ms, order, count: 1 + random.below(half) }
    case 'ring':
    case 'bridge':
      return { kind, at, ms, order }
    case 'oneWay':
      return { kind, at, ms, whom, inward: random.chance(0.5), peer: random.chance(0.5) ? -1 : random.below(size) }
    case 'slowDisk':
      return { kind, at, ms, whom, factor: random.pick([10, 50, 200]) }
    case 'fullDisk':
      return { kind, at, ms, whom }
    case 'clock':
      return {
        kind,
        at,
        ms,
        whom,
        rate: random.pick([0.5, 0.8, 1.2, 2]),
        jump: random.chance(0.5) ? random.between(0, 10_000) : 0,
      }
    case 'weather':
      return {
        kind,
        at,
        ms: ms * 2,
        loss: random.pick([0, 0.02, 0.1, 0.3]),
        doubles: random.pick([0, 0.1, 0.5]),
        late: random.pick([0, 0.02, 0.1]),
        lateMs: random.pick([20, 200, 1500]),
        delayMs: random.pick([1, 5, 40]),
      }
    case 'transfer':
      return { kind, at, ms, peer: random.below(size) }
    default:
      return { kind, at, ms, whom }
  }
}

export function tell(fault: Fault): string {
  const { at, ms, ...rest } = fault
  return `${at.toFixed(0)} ms, for ${ms.toFixed(0)} ms: ${JSON.stringify(rest)}`
}
