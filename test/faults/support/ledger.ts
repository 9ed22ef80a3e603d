/** What the load keeps, and the judgement: see src/bench/loss/ledger.ts. */
export * from '../../../src/bench/loss/ledger.ts'
