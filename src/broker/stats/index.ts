/** What the broker counts: totals, rates and put times for the runtime table, items by topic and group. */
export * from './broker-stats.ts'
export * from './distribution.ts'
export * from './rates.ts'
export * from './stats-item.ts'
