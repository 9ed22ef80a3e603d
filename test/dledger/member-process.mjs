// One member of ours as a process, so that it can be killed: node member-process.mjs '<json of MemberOptions>'
import { FAST_TIMERS, JVM_TIMERS } from '../../dist/dledger/core/index.js'
import { Member } from '../../dist/dledger/member.js'

const { fast, ...options } = JSON.parse(process.argv[2])
const log = {
  info: (message) => console.log(message),
  warn: (message) => console.log(message),
  error: (message) => console.log(message),
}
const member = new Member({ ...options, timers: fast ? FAST_TIMERS : JVM_TIMERS, log })
await member.start()
console.log('ready')
member.failed.then((error) => {
  console.log(error)
  process.exit(3)
})
// The disk fails: its syncs, or its writes.
process.on('SIGUSR2', () => {
  member.log.sync = () => Promise.reject(new Error('EIO: i/o error, fdatasync'))
})
process.on('SIGPWR', () => {
  member.log.appendOwn = member.log.appendBatch = () => {
    throw new Error('EIO: i/o error, write')
  }
})
process.on('SIGTERM', async () => {
  await member.stop()
  process.exit(0)
})
