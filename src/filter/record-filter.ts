/**
 * Filters of records from their plans, and the one of retry topics, where a message is tested by the expression of the topic
 * that it came from.
 */
import type { FilterPlan, RecordFilter } from './filter-plan.ts'
import { PropertyValues } from './property-values.ts'
import { compileFilter, type SqlFilter } from './sql-filter.ts'

const RETRY_TOPIC = 'RETRY_TOPIC'

/** Tests a message of a retry topic by the filter of the topic that it came from; without one it is wanted. */
export class RetryFilter implements RecordFilter {
  private readonly byTopic: ReadonlyMap<string, SqlFilter>
  private readonly values = new PropertyValues([RETRY_TOPIC])

  constructor(byTopic: ReadonlyMap<string, SqlFilter>) {
    this.byTopic = byTopic
  }

  get plan(): FilterPlan {
    return { kind: 'retry', byTopic: [...this.byTopic].map(([topic, { expression }]) => [topic, expression]) }
  }

  matches(bytes: Uint8Array, start: number, end: number): boolean {
    this.values.scan(bytes, start, end)
    if (!this.values.has(0)) return true
    return this.byTopic.get(this.values.text(0))?.matches(bytes, start, end) ?? true
  }
}

/** Throws FilterError; not for the plan of a filter that exists. */
export function recordFilterOf(plan: FilterPlan): RecordFilter {
  if (plan.kind === 'sql') return compileFilter(plan.expression)
  return new RetryFilter(new Map(plan.byTopic.map(([topic, expression]) => [topic, compileFilter(expression)])))
}
