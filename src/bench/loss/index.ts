/** The loss experiment: `basaltmq bench loss`. options → rounds → one result. */
export { type Experiment, lossExperiment } from './experiment.ts'
export { type LossFlags, type LossOptions, lossOptions } from './options.ts'
