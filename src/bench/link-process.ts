/**
 * The entry of a link's own process:  node link-process.js HOST:PORT RTT_MS
 * Prints "link HOST:PORT"; ends with its parent or by a signal.
 */
import { Link } from './link.ts'

const [target, rttMs] = process.argv.slice(2)
const link = await Link.to(target, Number(rttMs))
process.stdout.write(`link ${link.address}\n`)
