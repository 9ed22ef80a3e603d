/**
 * What of a result goes where: the conditions that most cells share are drawn in full, other injected delays become the surface.
 *
 * Invariant: every cell with a round is in `all`, and in exactly one of `main` and `surface`.
 */
import { grouped } from '../grouped.ts'
import {
  type CellKey,
  FLUSH_MODES,
  isPair,
  type Mode,
  type ModesResult,
  modeName,
  REPLICATION_MODES,
} from '../results.ts'
import { type Figures, figuresOf } from './figures.ts'
import { count, digits, plain, whole } from './format.ts'

/** Who in which mode: one line of a chart. */
export interface Series {
  readonly system: CellKey['system']
  readonly mode: Mode
  readonly haTransfer: CellKey['haTransfer']
  readonly name: string
  /** Our slave pulls, and one that is sent to is in the result as well. */
  readonly isPull: boolean
  readonly cells: readonly Figures[]
}

export interface Load {
  readonly name: string
  readonly load: CellKey['load']
  readonly amount: number
}

export interface Selection {
  readonly all: readonly Figures[]
  readonly main: readonly Figures[]
  readonly surface: readonly Figures[]
  /** Injected delays and body size of `main`; undefined without a cell. */
  readonly conditions: Conditions | undefined
  /** Of `main`, in the order of modes, ours before Apache's. */
  readonly series: readonly Series[]
  readonly loads: readonly Load[]
  /** Little, middling and much of the loads that most series have: what charts show that have no room for all. */
  readonly chosen: readonly Load[]
  /** First and last of `chosen`. */
  readonly low: Load | undefined
  readonly high: Load | undefined
  readonly hasBothSystems: boolean
}

export type Conditions = Pick<CellKey, 'fdatasyncMs' | 'rttMs' | 'bodySize'>

export function select(result: ModesResult): Selection {
  const all = result.cells
    .map(figuresOf)
    .filter((each) => each !== undefined)
    .sort(inOrder)
  const groups = grouped(all, ({ key }) => `${key.fdatasyncMs} ${key.rttMs} ${key.bodySize}`)
  // Of groups as large as each other the one with the least injected, which sorts first.
  const main = [...groups.values()].reduce<Figures[]>((best, group) => (group.length > best.length ? group : best), [])
  const inMain = new Set(main)
  const loads = loadsOf(main)
  const chosen = chosenOf(main, loads)
  const bothTransfers = new Set(main.filter(replicates).map(({ key }) => key.haTransfer)).size > 1
  const hasBothSystems = new Set(all.map(({ key }) => key.system)).size > 1
  const series = [...grouped(main, ({ key }) => `${key.system} ${modeName(key.mode)} ${key.haTransfer}`).values()]
  return {
    all,
    main,
    surface: all.filter((each) => !inMain.has(each)),
    conditions: main[0]?.key,
    series: series.map((cells) => {
      const { system, mode, haTransfer } = cells[0].key
      const isPull = bothTransfers && haTransfer === 'pull' && system === 'basalt'
      return { system, mode, haTransfer, isPull, cells, name: `${modeName(mode)}${isPull ? ' (pull)' : ''}` }
    }),
    loads,
    chosen,
    low: chosen[0],
    high: chosen.at(-1),
    hasBothSystems,
  }
}

const replicates = ({ key }: Figures) => isPair(key.mode)

export function loadOf(key: CellKey): Load {
  if (key.load === 'closed') return { name: `${whole(key.inFlight)} in flight`, load: 'closed', amount: key.inFlight }
  return { name: `${plainCount(key.ratePerSecond)}/s offered`, load: 'open', amount: key.ratePerSecond }
}

const plainCount = (value: number) => count(value).replace(/\.0+ /, ' ')

export const isLoad = (figures: Figures, load: Load | undefined): boolean =>
  load !== undefined && loadOf(figures.key).name === load.name

export const of = (cells: readonly Figures[], load: Load | undefined): Figures[] =>
  cells.filter((each) => isLoad(each, load))

/** The cell of a series at a load. */
export const at = (series: Series, load: Load | undefined): Figures | undefined => of(series.cells, load)[0]

function loadsOf(cells: readonly Figures[]): Load[] {
  return [...grouped(cells, ({ key }) => loadOf(key).name).values()].map(([{ key }]) => loadOf(key)).sort(byLoad)
}

/** Closed loops where there are any: with a rate on offer the rate says nothing of the mode. */
function chosenOf(cells: readonly Figures[], loads: readonly Load[]): Load[] {
  const closed = loads.filter(({ load }) => load === 'closed')
  const candidates = closed.length > 0 ? closed : loads
  const widest = Math.max(...candidates.map((load) => of(cells, load).length))
  const shared = candidates.filter((load) => of(cells, load).length === widest)
  const last = shared.length - 1
  return [...new Set([0, Math.ceil(last / 2), last])].flatMap((index) => shared[index] ?? [])
}

const byLoad = (a: Load, b: Load) => a.load.localeCompare(b.load) || a.amount - b.amount

export const modeOrder = (mode: Mode): number =>
  FLUSH_MODES.indexOf(mode.flush) * REPLICATION_MODES.length + REPLICATION_MODES.indexOf(mode.replication)

function inOrder({ key: a }: Figures, { key: b }: Figures): number {
  return (
    a.fdatasyncMs - b.fdatasyncMs ||
    a.rttMs - b.rttMs ||
    a.bodySize - b.bodySize ||
    modeOrder(a.mode) - modeOrder(b.mode) ||
    b.system.localeCompare(a.system) ||
    b.haTransfer.localeCompare(a.haTransfer) ||
    byLoad(loadOf(a), loadOf(b))
  )
}

export const systemName = (system: CellKey['system']): string => (system === 'basalt' ? 'Basalt' : 'Apache')

/** "fdatasync +5 ms, link +10 ms injected"; nothing where the machine was left as it is. */
export function injectedText({ fdatasyncMs, rttMs }: Pick<CellKey, 'fdatasyncMs' | 'rttMs'>): string {
  const parts = []
  if (fdatasyncMs > 0) parts.push(`fdatasync +${plain(digits(fdatasyncMs))} ms`)
  if (rttMs > 0) parts.push(`link +${plain(digits(rttMs))} ms a round trip`)
  return parts.length === 0 ? '' : `${parts.join(', ')} injected`
}
