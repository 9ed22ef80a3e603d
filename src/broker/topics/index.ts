/**
 * Topics: names and who may use them (names.ts), one topic's shape (topic-config.ts), the table, its creation rules and
 * config/topics.json (topic-table.ts), and those that must not come back (deleted-topics.ts).
 */
export * from './attributes.ts'
export * from './deleted-topics.ts'
export * from './names.ts'
export * from './topic-config.ts'
export * from './topic-table.ts'
