/** `bench modes`: what each flush and replication mode costs. options → plan → visits → one result. */
export {
  MODE_WORDS,
  type ModesFlags,
  type ModesOptions,
  modesOptions,
  RESULTS_FOLDER,
  SURFACE_GRID,
} from './options.ts'
export { plannedSeconds, planOf } from './plan.ts'
export { timeText } from './progress.ts'
export { type ModesRun, runModes } from './run.ts'
