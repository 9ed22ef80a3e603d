/** What is done with the results of benchmarks: reports and comparisons. Nothing here starts a server or measures. */
export { type Comparison, compare } from './compare.ts'
export { comparisonText } from './compare-text.ts'
export * from './report/index.ts'
