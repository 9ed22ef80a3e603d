/**
 * Gives dispatch the filters whose bits it keeps in ConsumeQueueExt, all of them whenever one has changed; many changes of
 * one turn of the event loop are one message. Dead ones too: their group may come back to what was stored meanwhile.
 */
import type { TopicFilter } from '../../store/dispatch/index.ts'
import type { ConsumerFilters } from './consumer-filters.ts'

export function publishFilters(filters: ConsumerFilters, post: (version: number, list: TopicFilter[]) => void): void {
  let isDue = false
  const publish = () => {
    isDue = false
    const list = [...filters.all()].map(({ topic, filter, bits }) => ({ topic, expression: filter.expression, bits }))
    post(filters.version, list)
  }
  filters.onChange(() => {
    if (isDue) return
    isDue = true
    setImmediate(publish)
  })
  publish()
}
