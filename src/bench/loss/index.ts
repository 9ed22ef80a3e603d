/** The loss experiment: `basaltmq bench loss`. */
export { DEFAULTS, type Experiment, type ExperimentOptions, lossExperiment, MODES } from './experiment.ts'
export type { LossSettings } from './round.ts'
