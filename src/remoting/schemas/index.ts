/** One table of fields a request, and one an answer that has a header; a request that is not here has none. */
export * from './admin.ts'
export * from './clients.ts'
export * from './namesrv.ts'
export * from './pop.ts'
export * from './pull.ts'
export * from './send.ts'
