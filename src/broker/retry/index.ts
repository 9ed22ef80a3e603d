/** What consumers send back: send-back.ts (36). Sends to %RETRY%group are sends: ../send. */
export { messageIdOf } from './message-id.ts'
export { sendBackProcessors } from './send-back.ts'
