/**
 * What goes wrong, and when: a schedule drawn from the seed before the history begins, so that it can be shrunk. Every fault ends by
 * itself; at `quietAt` the world mends what is left. "The leader" is whoever leads when the fault strikes.
 */
import type { CrashPoint } from './member.ts'
import type { Random } from './random.ts'

export type Fault = { at: number; ms: number } & (
  | { kind: 'kill' | 'powerLoss' | 'pause' | 'isolate'; whom: Whom }
  | { kind: 'crashAt'; whom: Whom; point: CrashPoint; isPowerLoss: boolean }
  | { kind: 'powerLossOfMany'; count: number; first: number }
  | { kind: 'halves'; order: number[]; count: number }
  | { kind: 'ring'; order: number[] }
  | { kind: 'bridge'; order: number[] }
  | { kind: 'oneWay'; whom: Whom; inward: boolean; peer: number }
  | { kind: 'slowDisk'; whom: Whom; factor: number; syncOnly: boolean }
  | { kind: 'fullDisk'; whom: Whom }
  | { kind: 'clock'; whom: Whom; rate: number; jump: number }
  | { kind: 'weather'; loss: number; doubles: number; late: number; lateMs: number; delayMs: number }
  | { kind: 'transfer'; peer: number }
)

/** A member's number, or −1 for the leader. */
export type Whom = number

type Kind = Fault['kind']

const CRASH_POINTS: readonly CrashPoint[] = ['persist', 'persist', 'append', 'truncate', 'lead', 'commit', 'closeGate']

/** What a history is mostly about: each kind with its weight, and the mean time between faults. */
const PROFILES: { name: string; everyMs: number; weights: Partial<Record<Kind, number>> }[] = [
  { name: 'crashes', everyMs: 250, weights: { kill: 4, powerLoss: 4, powerLossOfMany: 1, pause: 1, weather: 1 } },
  { name: 'leaders', everyMs: 120, weights: { kill: 3, powerLoss: 2, isolate: 5, pause: 3, transfer: 1, oneWay: 2 } },
  { name: 'edges', everyMs: 100, weights: { crashAt: 8, weather: 1, isolate: 1, oneWay: 1, kill: 1 } },
  { name: 'old terms', everyMs: 1500, weights: { weather: 1, isolate: 1 } },
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
      crashAt: 3,
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
  if (profile.name === 'old terms') drawOldTerms(random, size, until, scale, faults)
  for (let at = random.between(0.5, 1.5) * pace; at < until; at += random.between(0.2, 1.8) * pace) {
    let kind = random.pick(kinds)
    if (!hasPowerLoss && (kind === 'powerLoss' || kind === 'powerLossOfMany')) kind = 'kill'
    faults.push(
      draw(random, kind, size, at, random.between(0.1, 1) * random.pick([150, 400, 1200]) * scale, hasPowerLoss),
    )
  }
  return faults.sort((a, b) => a.at - b.at)
}

/**
 * Raft's figure 8: a leader writes alone, its successor falls with its first entry, the first is elected again and falls as it commits.
 * Chance alone needs too long for the four steps.
 */
function drawOldTerms(random: Random, size: number, until: number, scale: number, faults: Fault[]): void {
  const crash = (at: number, ms: number, point: CrashPoint): Fault => {
    return { kind: 'crashAt', at, ms: ms * scale, whom: random.below(size), point, isPowerLoss: false }
  }
  let at = random.between(300, 600) * scale
  while (at < until - 1500 * scale) {
    faults.push({ kind: 'isolate', at, ms: random.between(200, 500) * scale, whom: -1 })
    faults.push(crash(at + 5 * scale, random.between(400, 900), 'lead'))
    at += random.between(400, 900) * scale
    faults.push(crash(at, random.between(100, 600), 'commit'))
    at += random.between(300, 900) * scale
  }
}

function draw(random: Random, kind: Kind, size: number, at: number, ms: number, hasPowerLoss: boolean): Fault {
  const whom = random.chance(0.5) ? -1 : random.below(size)
  const order = random.shuffled(Array.from({ length: size }, (_, i) => i))
  const half = Math.floor(size / 2)
  switch (kind) {
    case 'crashAt': {
      const point = random.pick(CRASH_POINTS)
      return { kind, at, ms, whom, point, isPowerLoss: hasPowerLoss && random.chance(0.6) }
    }
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
      return { kind, at, ms, whom, factor: random.pick([10, 50, 200]), syncOnly: random.chance(0.6) }
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
    case 'isolate':
      // About as long as an old leader lives on beside a new one.
      return { kind, at, ms: random.chance(0.5) ? random.between(150, 400) : ms, whom }
    default:
      return { kind, at, ms, whom }
  }
}

export function tell(fault: Fault): string {
  const { at, ms, ...rest } = fault
  return `${at.toFixed(0)} ms, for ${ms.toFixed(0)} ms: ${JSON.stringify(rest)}`
}
