/**
 * `basaltmq inspect …`: looks into a store, offline or beside a running broker; never locks and never writes, but for
 * repair --apply, and for the store that import and export make. Commands live in inspect/, one file each; what they show comes
 * from ../inspect.
 *
 * Exit statuses: 0 done (verify: the store is whole), 1 failure, 2 usage or no store, 3 findings.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { nearest } from '../config/index.ts'
import { ConfigError } from '../errors.ts'
import { diffCommand, hashesCommand } from './inspect/diff-command.ts'
import { dryStartCommand } from './inspect/dry-start-command.ts'
import { exportCommand } from './inspect/export-command.ts'
import { findCommand } from './inspect/find-command.ts'
import { importCommand } from './inspect/import-command.ts'
import { indexCommand } from './inspect/index-command.ts'
import { logCommand } from './inspect/log-command.ts'
import { mapCommand } from './inspect/map-command.ts'
import { checkpointCommand, configCommand } from './inspect/marks-command.ts'
import { queueCommand } from './inspect/queue-command.ts'
import { repairCommand } from './inspect/repair-command.ts'
import { summaryCommand } from './inspect/summary-command.ts'
import { verifyCommand } from './inspect/verify-command.ts'
import type { Io } from './io.ts'

const EXAMPLES = `
Examples:
  $ basaltmq inspect /var/lib/rocketmq/store                  what is in it
  $ basaltmq inspect summary store -c broker.conf             sizes and delay levels from the broker's configuration
  $ basaltmq inspect log store --topic Orders --follow        records as they come
  $ basaltmq inspect find store --key 4711                    a message, and what led to it
  $ basaltmq inspect verify store                             whether it is whole
  $ basaltmq inspect map store                                a picture: space, unread, on disk, in memory
  $ basaltmq inspect dry-start store -c broker.conf           what a start would do to it
  $ basaltmq inspect repair store                             a plan to mend it; --apply does it

Stores of RocketMQ 4.x, 5.x and Basalt are read alike. A broker may run meanwhile: nothing is locked, nothing is
written, but by repair --apply and import, which refuse a store in use.
Sizes of files are read off the files; what -c or --set say goes before.

Exit status: 0 done (verify: whole), 1 failure, 2 usage or no store, 3 findings.
`

/** A word that is no command would be taken for the store of `summary`, and its store for one word too many. */
function refuseUnknown(command: Command, io: Io, words: readonly string[]): void {
  const known = ['help', ...command.commands.map((each) => each.name())]
  const [word = '', second] = words
  if (word.startsWith('-') || known.includes(word)) return
  const near = nearest(word, known)
  const isTypo = near !== undefined && !existsSync(resolve(io.cwd, word))
  if (!isTypo && (second === undefined || second.startsWith('-'))) return
  const hint = near === undefined ? '' : `, did you mean "${near}"?`
  throw new ConfigError('UNKNOWN_COMMAND', {
    what: `unknown command ${JSON.stringify(word)}${hint}`,
    todo: 'see basaltmq inspect --help',
  })
}

export function fillInspect(command: Command, io: Io, words: readonly string[] = []): void {
  command.addHelpText('after', EXAMPLES)
  summaryCommand(command, io)
  logCommand(command, io)
  queueCommand(command, io)
  indexCommand(command, io)
  checkpointCommand(command, io)
  configCommand(command, io)
  findCommand(command, io)
  verifyCommand(command, io)
  mapCommand(command, io)
  dryStartCommand(command, io)
  repairCommand(command, io)
  diffCommand(command, io)
  hashesCommand(command, io)
  exportCommand(command, io)
  importCommand(command, io)
  for (const each of command.commands) {
    // "inspect STORE" is its summary.
    const path = each.name() === 'summary' ? 'inspect' : `inspect ${each.name()}`
    each.showHelpAfterError(`see "basaltmq ${path} --help"`)
  }
  refuseUnknown(command, io, words)
}
