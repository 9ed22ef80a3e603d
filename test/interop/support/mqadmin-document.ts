/** docs/mqadmin.md: one row a sub-command, from what the commands of mqadmin-commands.ts printed. */
import { type AdminCommand, nameOf, type Tool } from './mqadmin-commands.ts'

export interface Outcome {
  readonly name: string
  /** On Basalt: "works", or why not. */
  readonly state: string
  /** On Apache's 4.9.7 broker, where that was asked too. */
  readonly oracle: string | undefined
}

/** One a command name; a command that was run in several ways works when all of them do. */
export function outcomesOf(
  outputs: ReadonlyMap<AdminCommand, string>,
  oracle: ReadonlyMap<AdminCommand, string> | undefined,
): Outcome[] {
  const names = new Set([...outputs.keys()].map(nameOf))
  return [...names].sort().map((name) => {
    const commands = [...outputs.keys()].filter((command) => nameOf(command) === name)
    const state = stateOf(commands, outputs)
    const failing = commands.find((command) => oracle !== undefined && !command.says.test(oracle.get(command) ?? ''))
    const there = failing === undefined ? 'the same' : firstFault(oracle?.get(failing) ?? '')
    return { name, state, oracle: oracle === undefined ? undefined : there }
  })
}

function stateOf(commands: readonly AdminCommand[], outputs: ReadonlyMap<AdminCommand, string>): string {
  const why = commands.find((command) => command.why !== undefined)?.why
  if (why !== undefined) return `not for a 4.9 broker: ${why}`
  const failing = commands.find((command) => !command.says.test(outputs.get(command) ?? ''))
  if (failing !== undefined) return `answered: ${firstFault(outputs.get(failing) ?? '')}`
  const note = commands.find((command) => command.note !== undefined)?.note
  return note === undefined ? 'works' : `works (${note})`
}

/** The line that says what went wrong, without addresses and ids, which differ each time. */
function firstFault(text: string): string {
  const lines = text.split('\n').map((line) => line.trim())
  const fault =
    lines.find((line) => /CODE: |Exception: (?!.*command failed)/.test(line)) ?? lines.find((line) => line !== '')
  const plain = (fault ?? 'prints nothing')
    .replace(/^[\w.]+Exception: /, '')
    .replace(/\s+/g, ' ')
    .replace(/\|/g, '/')
    .replace(/BROKER: \S+/, '')
    .replace(/timeout, \d+\(ms\)/, 'timeout')
    .replace(/\d+\.\d+\.\d+\.\d+:\d+/g, 'the broker')
    .replace(/\b[0-9A-F]{32}\b/, '(an id)')
    .trim()
  return plain.length > 110 ? `${plain.slice(0, 107)}…` : plain
}

export function tableOf(outcomes: ReadonlyMap<Tool, Outcome[]>, oracle: string): string {
  const tools = [...outcomes.keys()]
  const names = [...new Set(tools.flatMap((tool) => outcomes.get(tool)!.map(({ name }) => name)))].sort()
  const rows = names.map((name) => {
    const of = (tool: Tool) => outcomes.get(tool)!.find((outcome) => outcome.name === name)
    const there = tools.map((tool) => of(tool)?.oracle ?? '–')
    const cells = tools.map((tool) => of(tool)?.state ?? '–')
    return `| \`${name}\` | ${[...cells, ...there].join(' | ')} |`
  })
  const counts = tools.map((tool) => {
    const list = outcomes.get(tool)!
    return `${tool}: ${list.filter(({ state }) => state.startsWith('works')).length} of ${list.length} work`
  })
  return `# mqadmin and Basalt

Every sub-command of Apache's \`mqadmin\`, run against a Basalt broker with messages, a producer and a consumer that are
online, and against Apache ${oracle} for comparison. ${counts.join('; ')}. Those that are "not for a 4.9
broker" ask for what none has, and are answered with code 3 as there.

Made by \`BASALT_MQADMIN=compare npm run test:interop -- mqadmin\`. The interop suite runs every command each time and
compares this page with what it sees; what each command must print is in \`test/interop/support/mqadmin-commands.ts\`.

"The same" means that Apache's broker meets the same expectation; otherwise the column says what it answered. "–": this version of
the tool has no such command.

| command | ${tools.map((tool) => `mqadmin ${tool} on Basalt`).join(' | ')} | ${tools.map((tool) => `${tool} on Apache ${oracle}`).join(' | ')} |
|${'---|'.repeat(1 + 2 * tools.length)}
${rows.join('\n')}
`
}
