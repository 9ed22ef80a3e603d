/** `inspect diff` and `inspect hashes`: two stores, here or on two machines. */
import { readFileSync, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { Command } from 'commander'
import {
  diffStores,
  endLine,
  hashLog,
  headLine,
  type LogSide,
  parseHashes,
  rangeLine,
  storeSide,
} from '../../inspect/diff/index.ts'
import { ExitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'
import { jsonLine, type StoreFlags, storeCommand, storeOf, threadsOption } from './common.ts'
import { diffJson, diffText } from './diff-text.ts'
import { ProgressBar } from './progress-bar.ts'

const HELP = `
A and B: stores, in use or not, or what "hashes" wrote about one on another machine. Logs are compared by physical offset and up to
where they ended at the beginning; then ConsumeQueues, then config/. Bytes behind the blank of a file mean nothing and count for
nothing. Tables are told and do not count: a slave takes them every ten seconds.

Where both have side checksums of a segment, or hashes were given, those are compared; --read reads instead.

Exit status: 0 equal, or one is behind the other and the same as far as it goes; 3 they differ; 1 failure; 2 usage or no store.

Examples:
  $ basaltmq inspect diff /data/master /data/slave
  $ ssh slave basaltmq inspect hashes /data/store > slave.hashes
  $ basaltmq inspect diff /data/store slave.hashes
`

const HASHES_HELP = `
JSON lines: one about the store, one a segment with the xxhash64 of each MiB of it, one at the end. About 19 KiB for a GiB.

Example:
  $ basaltmq inspect hashes store > store.hashes
`

const DIFFERS = 3
const HASH_FILE_MAX = 512 * 1024 * 1024

interface DiffFlags extends StoreFlags {
  threads?: string
  read?: boolean
  all?: boolean
}

export function diffCommand(parent: Command, io: Io): void {
  storeCommand(parent, 'diff', 'two stores: what only one has, and where they differ')
    .argument('<other>', 'another store, or a file of hashes; the first may be one as well')
    .option('--read', 'read both, whatever side checksums say')
    .option('--all', 'all differing ranges, queues and keys, not the first ones')
    .option('--threads <count>', 'so many threads; 0 does it in one without starting any')
    .addHelpText('after', HELP)
    .action(async (a: string, b: string, flags: DiffFlags) => {
      const threads = threadsOption(flags.threads)
      const [sideA, sideB] = [sideOf(io, a, flags), sideOf(io, b, flags)]
      const bar = new ProgressBar(io)
      const diff = await diffStores(sideA, sideB, { threads, onProgress: (done, total) => bar.show(done, total) })
      bar.clear()
      io.out(flags.json === true ? jsonLine(diffJson(diff)) : diffText(diff, flags.all === true))
      if (diff.verdict !== 'equal' && diff.verdict !== 'behind') throw new ExitStatus(DIFFERS)
    })
}

function sideOf(io: Io, given: string, flags: DiffFlags): LogSide {
  const path = isAbsolute(given) ? given : join(io.cwd, given)
  const status = statSync(path, { throwIfNoEntry: false })
  if (status?.isFile() === true && status.size <= HASH_FILE_MAX) return parseHashes(readFileSync(path, 'utf8'), given)
  return storeSide(given, storeOf(io, given, flags), flags.read !== true)
}

export function hashesCommand(parent: Command, io: Io): void {
  storeCommand(parent, 'hashes', 'xxhash64 of each MiB of the log, for diff on another machine')
    .option('--read', 'read all, whatever side checksums say')
    .option('--threads <count>', 'so many threads; 0 does it in one without starting any')
    .addHelpText('after', HASHES_HELP)
    .action(async (path: string, flags: DiffFlags) => {
      const threads = threadsOption(flags.threads)
      const side = storeSide(path, storeOf(io, path, flags), flags.read !== true)
      const bar = new ProgressBar(io)
      io.out(headLine(side))
      let segments = 0
      for await (const range of hashLog(side, { threads, onProgress: (done, total) => bar.show(done, total) })) {
        bar.clear()
        io.out(rangeLine(range))
        segments += 1
      }
      bar.clear()
      io.out(endLine(segments))
    })
}
