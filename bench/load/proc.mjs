// @ts-check
/** What Linux says about a process: src/bench/process-stats.ts, as built. */
export { processStats, threadStats } from '../../dist/bench/process-stats.js'
