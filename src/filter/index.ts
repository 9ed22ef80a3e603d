/**
 * SQL92 filters: from the text of an expression to a test of a record's property bytes, and the bits that a ConsumeQueue
 * keeps of them. Knows of no broker, file or thread.
 *
 *   text ─▶ tokens ─▶ parser (lookahead, checks) ─▶ expression ─▶ compile (equality, order) ─▶ SqlFilter.matches(bytes)
 *                                                                  property-values: names looked up in the bytes
 */
export { BloomFilter, type FilterBits, hasBits, setBits } from './bloom-filter.ts'
export { FilterError } from './filter-error.ts'
export type { FilterPlan, RecordFilter } from './filter-plan.ts'
export { RetryFilter, recordFilterOf } from './record-filter.ts'
export { OUTCOME, type Outcome } from './sides.ts'
export { compileFilter, SqlFilter } from './sql-filter.ts'
