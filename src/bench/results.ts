/**
 * What the benchmark suite writes as JSON and every report reads: `bench modes` and `bench loss`.
 *
 * Times are microseconds unless a name says otherwise; rates are a second. A reader refuses another `version`.
 */
export const RESULT_VERSION = 1

export const FLUSH_MODES = ['ASYNC_FLUSH', 'SYNC_FLUSH'] as const
/** `none`: a master without a slave. DLEDGER: a group of three that elects its master, which is then the master here, the others its slaves. */
export const REPLICATION_MODES = ['none', 'ASYNC_MASTER', 'SYNC_MASTER', 'DLEDGER'] as const

export interface Mode {
  readonly flush: (typeof FLUSH_MODES)[number]
  readonly replication: (typeof REPLICATION_MODES)[number]
}

/** What was injected on both machines' disk and on the link between them; 0 is what the machine has. */
export interface Injected {
  readonly fdatasyncMs: number
  readonly rttMs: number
}

/** One question: who, in which mode, under which load. */
export interface CellKey extends Injected {
  readonly system: 'basalt' | 'apache'
  readonly mode: Mode
  /** closed: `inFlight` messages under way; open: `ratePerSecond`, latency from when a message was due. */
  readonly load: 'closed' | 'open'
  readonly inFlight: number
  readonly ratePerSecond: number
  readonly bodySize: number
  /** How our master sends to our slave; Apache knows `stream` only. */
  readonly haTransfer: 'stream' | 'pull'
}

/** Log-linear counts (bench/load/histogram.mjs), only those above 0: [upper edge in µs, count], ascending. */
export type RawHistogram = readonly (readonly [number, number])[]

/** One round of one cell. */
export interface Round {
  readonly seconds: number
  /** By wire code of the answer: 0 is SEND_OK, 10 FLUSH_DISK_TIMEOUT, 11 SLAVE_NOT_AVAILABLE, 12 FLUSH_SLAVE_TIMEOUT. */
  readonly answers: Readonly<Record<string, number>>
  /** Answers with code 0, and only those, a second. */
  readonly ratePerSecond: number
  /** Of answers with code 0. */
  readonly latency: RawHistogram
  /** CPU a message acknowledged: of the master, the slave (of a group both together, 0 without one) and the generator. */
  readonly masterCpuUs: number
  readonly slaveCpuUs: number
  readonly generatorCpuUs: number
  /** Private memory of the master at the end, MiB. */
  readonly masterMiB: number
  /** End of the master's log less what a slave (of a group: a majority) has reported, sampled during the round: median and largest; -1 without a slave. */
  readonly lagBytes: number
  readonly lagBytesMax: number
}

/**
 * One step of a message's way, from the stage clocks. On the master: received → claimed → appended → flushed, sent → reportRead →
 * acknowledged; on the slave, each transfer: slaveReceived → slaveAppended → slaveFlushed → reported. A step's time is from the step
 * before it; `flushed` and `sent` both follow `appended` and run side by side.
 */
export interface WaterfallStep {
  readonly step:
    | 'claimed'
    | 'appended'
    | 'flushed'
    | 'sent'
    | 'slaveReceived'
    | 'slaveAppended'
    | 'slaveFlushed'
    | 'reported'
    | 'reportRead'
    | 'acknowledged'
    | 'total'
  readonly count: number
  readonly p50Us: number
  readonly p99Us: number
}

export interface Cell {
  readonly key: CellKey
  readonly rounds: readonly Round[]
  /** Ours only. */
  readonly waterfall?: readonly WaterfallStep[]
}

export interface Machine {
  readonly date: string
  readonly node: string
  readonly basalt: string
  readonly apache?: string
  readonly java?: string
  readonly cores: number
  readonly cpu: string
  readonly memoryGiB: number
  /** Kernel, and the kind of file system under the stores. */
  readonly system: string
  readonly fileSystem: string
}

/** What the machine takes for the parts of a synchronous mode, measured in the same run: medians. */
export interface Floors {
  readonly fdatasyncUs: number
  readonly roundTripUs: number
  readonly wakeUpUs: number
}

export interface ModesResult {
  readonly kind: 'modes'
  readonly version: typeof RESULT_VERSION
  readonly machine: Machine
  readonly floors: Floors
  /** The command's options as given, and the configuration keys beside the defaults. */
  readonly options: Readonly<Record<string, string>>
  /** Ended by Ctrl-C: what is there was measured, the rest is missing. */
  readonly isPartial: boolean
  readonly cells: readonly Cell[]
}

/** Of the master; a majority is one of a group of three, its master and another. */
export const FAILURES = ['process-crash', 'machine-crash', 'disk-lost', 'majority-crash'] as const
export type Failure = (typeof FAILURES)[number]

export const SERVERS = ['master', 'slave', 'member', 'nobody'] as const

export interface LossRound {
  /** Sends answered with code 0 before the failure. */
  readonly acknowledged: number
  /** Of those, read afterwards from a machine that is left (of a group: from its leader): a message is lost when no machine has it any more. */
  readonly found: number
  readonly lost: number
  /** Most of the lost ones in a row, in the order in which they were acknowledged. */
  readonly longestRun: number
  /** Found more often than sent. */
  readonly duplicates: number
  /** From the failure until a consumer reads, and until a send is acknowledged again; -1: not without an administrator. */
  readonly readsBackMs: number
  readonly writesBackMs: number
  /** Who answered the first read after the failure: `master` who was it before, `member` another one of its group. */
  readonly servedBy: (typeof SERVERS)[number]
  /** Of `found`: what the restarted master has itself; undefined when it did not come back, and of a group, whose leader is what counts. */
  readonly foundOnMaster?: number
}

export interface LossCell {
  readonly mode: Mode
  readonly failure: Failure
  readonly rounds: readonly LossRound[]
}

export interface LossResult {
  readonly kind: 'loss'
  readonly version: typeof RESULT_VERSION
  readonly machine: Machine
  readonly options: Readonly<Record<string, string>>
  readonly isPartial: boolean
  readonly cells: readonly LossCell[]
}

/** A master and its slave, to which it sends as haTransfer says. */
export const isPair = ({ replication }: Mode): boolean => replication !== 'none' && replication !== 'DLEDGER'

/** Which failures a mode can meet. */
export function failuresOf({ replication }: Mode): readonly Failure[] {
  return FAILURES.filter((failure) => failure !== 'majority-crash' || replication === 'DLEDGER')
}

export function modeName({ flush, replication }: Mode): string {
  return replication === 'none' ? flush : `${flush} + ${replication}`
}
