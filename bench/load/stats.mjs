// @ts-check
/** The statistics of the package's own benchmarks: src/bench/stats.ts. */
export { median, ratioInterval } from '../../dist/bench/stats.js'
