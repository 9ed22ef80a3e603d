/**
 * What decides over a message by its properties, and the form in which another thread is given it: an SQL92 expression, or
 * the expressions of a group by topic for its retry topic.
 */
export interface RecordFilter {
  /** Whether the message with the properties bytes[start, end) is wanted. */
  matches(bytes: Uint8Array, start: number, end: number): boolean
  readonly plan: FilterPlan
}

/** Plain data; recordFilterOf() makes the filter of it. */
export type FilterPlan =
  | { readonly kind: 'sql'; readonly expression: string }
  | { readonly kind: 'retry'; readonly byTopic: readonly (readonly [topic: string, expression: string])[] }
