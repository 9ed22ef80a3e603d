/** `inspect verify`: whether a store is whole. */
import type { Command } from 'commander'
import { type Finding, type Verification, verifyStore } from '../../inspect/index.ts'
import { ExitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'
import { bytesText, count } from '../table.ts'
import { jsonLine, type StoreFlags, storeCommand, storeOf, threadsOption } from './common.ts'
import { ProgressBar } from './progress-bar.ts'

const HELP = `
Every record's frame, CRC and place; each record's unit and each unit's record; index entries, chains and headers; checkpoint,
positions and tables. error: messages are lost, wrong or not served; warn: a start mends it, or somebody should look;
info: nothing is wrong. Beside a running broker what was there at the beginning is checked.

Exit status: 0 whole (info counts for nothing), 3 findings, 2 usage or no store.

Examples:
  $ basaltmq inspect verify store
  $ basaltmq inspect verify store -c broker.conf --json
`

const FINDINGS = 3
const SHOWN_A_KIND = 20

interface VerifyFlags extends StoreFlags {
  threads?: string
  all?: boolean
}

export function verifyCommand(parent: Command, io: Io): void {
  storeCommand(parent, 'verify', 'whether it is whole: log, queues, index, marks and tables')
    .option('--threads <count>', 'so many threads; 0 does it in one without starting any')
    .option('--all', `all findings, not ${SHOWN_A_KIND} of a kind`)
    .addHelpText('after', HELP)
    .action(async (path: string, flags: VerifyFlags) => {
      const store = storeOf(io, path, flags)
      const threads = threadsOption(flags.threads)
      const bar = new ProgressBar(io)
      const verification = await verifyStore(store, { threads, onProgress: (done, total) => bar.show(done, total) })
      bar.clear()
      if (flags.json === true) printJson(io, verification)
      else io.out(verificationText(verification, flags.all === true))
      if (!verification.isWhole) throw new ExitStatus(FINDINGS)
    })
}

function printJson(io: Io, { findings, ...rest }: Verification): void {
  for (const finding of findings) io.out(jsonLine({ finding }))
  io.out(jsonLine(rest))
}

export function verificationText(verification: Verification, isAll: boolean): string {
  const { findings, more, isWhole, recordCount, unitCount, indexCount, bytes, ms, threads } = verification
  const shown = new Map<string, number>()
  let text = ''
  for (const finding of findings) {
    const before = shown.get(finding.code) ?? 0
    shown.set(finding.code, before + 1)
    if (isAll || before < SHOWN_A_KIND) text += findingText(finding)
  }
  for (const [code, each] of shown)
    if (!isAll && each > SHOWN_A_KIND) text += `  … ${each - SHOWN_A_KIND} more ${code}\n`
  if (more > 0) text += `  … ${more} more that were not kept\n`
  const rate = `${bytesText((bytes / ms) * 1000)}/s`
  const looked = `${count(recordCount)} records, ${count(unitCount)} units, ${count(indexCount)} index entries`
  const times = `${bytesText(bytes)} in ${(ms / 1000).toFixed(2)} s, ${rate}, ${threads} thread${threads === 1 ? '' : 's'}`
  const counts = (['error', 'warn', 'info'] as const)
    .map((severity) => [severity, findings.filter((each) => each.severity === severity).length] as const)
    .filter(([, each]) => each > 0)
    .map(([severity, each]) => `${each} ${severity}`)
  const verdict = isWhole ? 'whole' : 'NOT WHOLE'
  return `${text}${text === '' ? '' : '\n'}${verdict}${counts.length > 0 ? ` (${counts.join(', ')})` : ''}: ${looked}; ${times}\n`
}

function findingText({ severity, code, what, file, offset, remedy }: Finding): string {
  const place = offset === undefined ? file : `${file} byte ${offset}`
  return `${severity.padEnd(5)} ${code}: ${what}\n      ${place}\n      ${remedy}\n`
}
