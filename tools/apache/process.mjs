// @ts-check
/** Server processes and free ports: src/bench/server-process.ts and ports.ts, as built. */
export { accepts, freeBrokerPort, isFree } from '../../dist/bench/ports.js'
export { ServerProcess, until } from '../../dist/bench/server-process.js'
