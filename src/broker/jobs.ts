/** What the parts of a broker do every so often, beside those that add their jobs themselves. */
import type { BrokerConfig } from '../config/index.ts'
import type { MessageService } from './message-service.ts'
import type { Schedule } from './schedule.ts'
import { LOOK_MS } from './stall-watch.ts'
import type { StoreView } from './store-view.ts'
import type { Tables } from './tables.ts'

const SCAN_MS = 10_000
const FILTERS_MS = 10_000
const LONG_POLL_CHECK_MS = 5000
const RETRY_SAVES_MS = 1000

export interface JobsOf {
  readonly config: BrokerConfig
  readonly tables: Tables
  readonly service: MessageService
  readonly view: StoreView
}

export function addJobs(schedule: Schedule, { config, tables, service, view }: JobsOf): void {
  const pollMs = () => (config.longPollingEnable ? LONG_POLL_CHECK_MS : config.shortPollingTimeMills)
  schedule.add(pollMs, () => service.tick())
  schedule.add(SCAN_MS, () => tables.scan())
  view.holdTail()
  schedule.add(LOOK_MS, () => view.holdTail())
  schedule.add(
    () => config.flushConsumerOffsetInterval,
    () => void tables.offsets.flush(),
  )
  schedule.add(FILTERS_MS, () => {
    tables.filters.clean()
    void tables.filters.flush()
  })
  schedule.add(RETRY_SAVES_MS, () => tables.retryFailedSaves())
}
