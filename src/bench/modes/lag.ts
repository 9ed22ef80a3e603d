/**
 * How far the slave is behind while a cell is measured: end of the master's log less what a slave has reported. Of a group: less what
 * a majority has.
 *
 * Ours says it in one row of its runtime table. Apache's does not, so all brokers are asked at once where their logs end, and
 * what the slave has but has not reported yet counts as reported.
 *
 * Owns:      a timer. An answer costs the broker about what a send costs: four a second disturb nothing.
 */
import type { Cluster } from '../cluster.ts'
import { median } from '../stats.ts'

const SAMPLE_MS = 250

export class LagSampler {
  private readonly cluster: Cluster
  private readonly samples: number[] = []
  private timer: NodeJS.Timeout | undefined

  constructor(cluster: Cluster) {
    this.cluster = cluster
  }

  /** Samples begin after `afterMs`: not before the cell's own warm-up is over. */
  start(afterMs: number): void {
    if (this.cluster.slave === undefined) return
    this.timer = setTimeout(() => {
      void this.sample()
      this.timer = setInterval(() => void this.sample(), SAMPLE_MS)
    }, afterMs)
  }

  /** Median and largest; -1 without a slave, or when nothing was told. */
  stop(): { lagBytes: number; lagBytesMax: number } {
    clearTimeout(this.timer)
    if (this.samples.length === 0) return { lagBytes: -1, lagBytesMax: -1 }
    return { lagBytes: Math.round(median(this.samples)), lagBytesMax: Math.max(...this.samples) }
  }

  private async sample(): Promise<void> {
    const { master, slaves, system } = this.cluster
    if (system === 'basalt') {
      const behind = Number((await master.runtime())?.basalt_unreplicated_bytes ?? -1)
      if (behind >= 0) this.samples.push(behind)
      return
    }
    const [end, ...there] = await Promise.all([master, ...slaves].map((node) => node.logEnd()))
    // The master of three and the first of the others are a majority.
    const most = Math.max(...there)
    if (end >= 0 && most >= 0) this.samples.push(Math.max(0, end - most))
  }
}
