/** `basaltmq doctor`: the findings of src/doctor, a verdict each. Status 3 where something is to be done. */
import { examine, type Finding, resolveAll } from '../doctor/index.ts'
import { ExitStatus, FOUND, USAGE } from './exit-status.ts'
import type { Io } from './io.ts'

const MARKS: Record<Finding['verdict'], string> = { ok: 'ok  ', note: 'note', warn: 'WARN', bad: 'BAD ' }

export async function runDoctor(io: Io, flags: { config?: string; set: string[]; json?: boolean }): Promise<void> {
  const { config: file, set } = flags
  const { resolved, wrong } = resolveAll({ file, set, env: io.env, cwd: io.cwd })
  const findings = [...wrong, ...(await examine(resolved))]
  io.out(flags.json === true ? `${JSON.stringify(findings, undefined, 2)}\n` : textOf(findings))
  // No broker starts with it.
  if (wrong.length > 0) throw new ExitStatus(USAGE)
  if (findings.some(({ verdict }) => verdict === 'warn' || verdict === 'bad')) throw new ExitStatus(FOUND)
}

function textOf(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length))
  const lines = findings.map(({ check, verdict, what, todo }) => {
    const rest = todo === undefined ? '' : `\n${' '.repeat(6 + width + 1)}  do: ${todo}`
    return `${MARKS[verdict]}  ${check.padEnd(width)} ${what}${rest}\n`
  })
  const count = (verdict: Finding['verdict']) => findings.filter((one) => one.verdict === verdict).length
  const open = count('bad') + count('warn')
  const end = open === 0 ? 'nothing to do' : `${count('bad')} bad, ${count('warn')} to look after`
  return `${lines.join('')}\n${end}\n`
}
