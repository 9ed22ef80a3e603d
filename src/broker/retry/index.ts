/** What consumers send back: send-back.ts (36). Sends to %RETRY%group are sends: ../send. */
export { sendBackProcessors } from './send-back.ts'
