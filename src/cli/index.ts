/** The command `basaltmq` (bin/basaltmq.js runs main()). Nothing here is part of the library. */
export { main } from './main.ts'
export { version } from './version.ts'
