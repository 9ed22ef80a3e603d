/** The load and the ledger of the loss experiment, which the fault campaign shares with `basaltmq bench loss`. */
export * from '../../../src/bench/loss/load.ts'
