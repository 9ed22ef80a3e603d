/** `inspect repair`: what can be mended of a store; with --apply it is. */
import { isAbsolute, join } from 'node:path'
import type { Command } from 'commander'
import { ConfigError } from '../../errors.ts'
import {
  PARTS,
  type Part,
  type Planned,
  planOnly,
  type Repaired,
  repairStore,
  undoRepairOf,
} from '../../inspect/index.ts'
import { ExitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'
import { bytesText, count } from '../table.ts'
import { jsonLine, knownOf, type StoreFlags, storeCommand } from './common.ts'
import { ProgressBar } from './progress-bar.ts'
import { verificationText } from './verify-command.ts'

const HELP = `
Without --apply the plan only: what verify found, what can be done about it, what cannot. With --apply it is done: the store is
locked, queues, index and tables are built beside it and swapped in, the log is cut behind its last record, and verify looks
again. Records are never changed: what is lost of the log stays as it is. What is replaced is moved into a backup's folder, from
which --undo gives it back; killed in the middle, the same command can be run again. A store in use is refused.
Of a member of a DLedger group the log is left as it is, too: its start cuts a torn end, and what it lacks the others have.

Parts: ${PARTS.join(', ')}.

Exit status: 0 whole (there was nothing to do, or it is done), 3 there is something to do, or something is left or lost,
1 failure (store in use, no room), 2 usage or no store.

Examples:
  $ basaltmq inspect repair store
  $ basaltmq inspect repair store --apply
  $ basaltmq inspect repair store --only queues --all-queues --apply --backup /mnt/backup
  $ basaltmq inspect repair store --undo store.repair-20261123-093128
`

const LEFT = 3
const SHOWN = 20

interface RepairFlags extends StoreFlags {
  apply?: boolean
  only?: string
  allQueues?: boolean
  backup?: string
  undo?: string
}

export function repairCommand(parent: Command, io: Io): void {
  storeCommand(parent, 'repair', 'a plan to mend it; with --apply it is mended')
    .option('--apply', 'do it')
    .option('--only <parts>', 'these parts only, with commas between them')
    .option('--all-queues', 'all ConsumeQueues, not only those that are wrong')
    .option('--backup <folder>', 'where the former state is kept; else beside the store')
    .option('--undo <folder>', 'give back what a repair has moved into this backup')
    .addHelpText('after', HELP)
    .action((path: string, flags: RepairFlags) => run(io, path, flags))
}

async function run(io: Io, path: string, flags: RepairFlags): Promise<void> {
  const root = absolute(io, path)
  const open = { known: knownOf(io, root, flags), member: flags.member }
  if (flags.undo !== undefined) {
    const { restored, removed } = undoRepairOf(root, absolute(io, flags.undo), open)
    if (flags.json === true) io.out(jsonLine({ restored, removed }))
    else {
      for (const each of restored) io.out(`put back ${each}\n`)
      for (const each of removed) io.out(`removed ${each}, which was not there before\n`)
    }
    return
  }
  const bar = new ProgressBar(io)
  const options = {
    only: partsOf(flags.only),
    allQueues: flags.allQueues,
    backup: flags.backup === undefined ? undefined : absolute(io, flags.backup),
    onProgress: (done: number, total: number) => bar.show(done, total),
  }
  const show = (planned: Planned) => {
    bar.clear()
    io.out(
      flags.json === true
        ? jsonLine({ plan: planned.plan, room: planned.room })
        : planText(planned, flags.apply === true),
    )
  }
  if (flags.apply !== true) {
    const planned = await planOnly(root, open, options)
    show(planned)
    if (planned.plan.actions.length > 0 || !planned.verification.isWhole) throw new ExitStatus(LEFT)
    return
  }
  const repaired = await repairStore(root, open, options, show)
  bar.clear()
  io.out(flags.json === true ? jsonLine({ repaired }) : repairedText(repaired))
  if (!repaired.verification.isWhole || repaired.lost.length > 0) throw new ExitStatus(LEFT)
}

function partsOf(text: string | undefined): Part[] | undefined {
  if (text === undefined) return undefined
  return text.split(',').map((word) => {
    const part = PARTS.find((each) => each === word.trim())
    if (part !== undefined) return part
    throw new ConfigError('BAD_OPTION', {
      what: `--only ${JSON.stringify(word)} is no part`,
      todo: `give ${PARTS.join(', ')}`,
    })
  })
}

function absolute(io: Io, path: string): string {
  return isAbsolute(path) ? path : join(io.cwd, path)
}

export function planText({ store, verification, plan, room }: Planned, isApplied: boolean): string {
  const { actions, left } = plan
  if (actions.length === 0 && verification.isWhole) return `${store.root} is whole: nothing to do\n`
  let text = `plan for ${store.root}${isApplied ? '' : ' (nothing is changed without --apply)'}\n`
  if (actions.length === 0) text += '  nothing that a repair could do\n'
  for (const { part, what } of actions.slice(0, SHOWN)) text += `  ${part.padEnd(11)} ${what}\n`
  if (actions.length > SHOWN) text += `  … ${actions.length - SHOWN} more (--json names them)\n`
  if (plan.wantsOffsets && plan.queues.length > 0)
    text += `  ${'offsets'.padEnd(11)} looked at again when the queues are built\n`
  if (plan.assumed.length > 0)
    text += `  ${'sizes'.padEnd(11)} no file tells ${plan.assumed.join(', ')}; give -c with the broker’s configuration if it says something else\n`
  if (left.length > 0) text += '  not repaired, left as it is:\n'
  for (const { code, what, file, offset } of left.slice(0, SHOWN))
    text += `    ${code}: ${what}\n      ${file}${offset === undefined ? '' : ` byte ${offset}`}\n`
  if (left.length > SHOWN) text += `    … ${left.length - SHOWN} more (verify names them)\n`
  if (actions.length === 0) return text
  const copied = room.copied > 0 ? `${bytesText(room.copied)} copied there` : ''
  const moved = room.moved > 0 ? `${bytesText(room.moved)} moved there, which takes no room` : ''
  const kept = [moved, copied].filter((each) => each !== '').join(', ')
  text += `  ${'backup'.padEnd(11)} ${room.backup}${kept === '' ? '' : `: ${kept}`}\n`
  text += `  ${'room'.padEnd(11)} at most ${bytesText(room.built)} to build, ${bytesText(room.free)} are free\n`
  return text
}

export function repairedText({ done, notDone, lost, backup, verification }: Repaired): string {
  let text = ''
  for (const each of done.slice(0, SHOWN)) text += `  done  ${each}\n`
  if (done.length > SHOWN) text += `  … ${count(done.length - SHOWN)} more\n`
  for (const each of notDone) text += `  not   ${each}\n`
  if (backup !== undefined) text += `  the former state is in ${backup}; --undo gives it back\n`
  text += verificationText(verification, false)
  for (const each of lost)
    text += `NOT GIVEN BACK: ${each}; take the store from another replica or a backup if there is one\n`
  return text
}
