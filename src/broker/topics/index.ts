/**
 * Topics: names and who may use them (names.ts), one topic's shape (topic-config.ts), the table, its creation rules and
 * config/topics.json (topic-table.ts).
 */
export * from './attributes.ts'
export * from './names.ts'
export * from './topic-config.ts'
export * from './topic-table.ts'
