/**
 * Every sub-command of mqadmin 4.9.7 and 5.3.3 against the broker, in one JVM a version, with a producer and a consumer that are
 * online. docs/mqadmin.md says what came of it.
 *
 *   BASALT_MQADMIN=compare   runs them against Apache 4.9.7 too, and writes docs/mqadmin.md
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { runJava } from '../../tools/apache/java.mjs'
import { World } from '../cli/support.ts'
import { type AdminCommand, commandsOf, nameOf, type Tool } from './support/mqadmin-commands.ts'
import { type Outcome, outcomesOf, tableOf } from './support/mqadmin-document.ts'
import { apacheIsThere, CLIENTS, KIND, type Kind, ORACLE, Scratch, startSystem } from './support/systems.ts'

const DOCUMENT = resolve(import.meta.dirname, '../../docs/mqadmin.md')
const COMPARES = process.env.BASALT_MQADMIN === 'compare'
const scratch = new Scratch()
afterAll(() => scratch.remove())

interface Ran {
  /** All commands that this version of the tool has. */
  names: string[]
  outputs: Map<AdminCommand, string>
}

async function runAll(tool: Tool, kind: Kind): Promise<Ran> {
  const system = await startSystem({ scratch, kind, config: { traceTopicEnable: true } })
  try {
    const folder = scratch.sub('files')
    writeFileSync(
      join(folder, 'topics.json'),
      '[{"topicName":"Listed1","readQueueNums":2,"writeQueueNums":2,"perm":6}]',
    )
    writeFileSync(join(folder, 'groups.json'), '[{"groupName":"ListedGroup","retryMaxTimes":5}]')
    const commands = commandsOf(tool)
    const lines: string[] = []
    const at = new Map<number, AdminCommand>()
    for (const [i, command] of commands.entries()) {
      if (i > 0 && command.phase !== commands[i - 1].phase) lines.push('--')
      at.set(lines.length, command)
      const words = command.line
        .split(' ')
        .map((word) =>
          word.replace('BROKER', system.address).replace('NAMESRV', system.namesrv).replace('FOLDER', folder),
        )
      lines.push([...(command.limit === undefined ? [] : [`@${command.limit}`]), ...words].join('\t'))
    }
    writeFileSync(join(folder, 'commands'), lines.join('\n'))
    const args = [`namesrv=${system.namesrv}`, `commands=${join(folder, 'commands')}`, 'threads=12']
    const program = runJava({ version: tool, main: 'AdminAll', args, folder: scratch.sub('admin') })
    const { status } = await program.ended
    if (status !== 0) throw new Error(`AdminAll ended with ${status}: ${program.stderr.slice(-2000)}`)
    const texts = new Map<number, string[]>()
    for (const [n, ...rest] of program.of('OUT')) {
      const text = texts.get(Number(n)) ?? []
      text.push(rest.join('\t'))
      texts.set(Number(n), text)
    }
    if (kind === 'basalt') await lookAtTraces(system.namesrv, tool)
    const outputs = new Map([...at].map(([n, command]) => [command, (texts.get(n) ?? []).join('\n')]))
    return { names: program.of('NAME').map(([name]) => name), outputs }
  } finally {
    await system.close()
  }
}

/** The Java clients of AdminAll have written what became of their messages; ours reads it as mqadmin does. */
async function lookAtTraces(namesrv: string, tool: Tool): Promise<void> {
  const world = new World()
  const status = await world.run('admin', 'message', 'trace', 's1-0', '--json', '-n', namesrv)
  expect([status, world.complained]).toEqual([0, ''])
  const steps = JSON.parse(world.printed) as { step: string; group: string; isSuccess?: boolean; keys: string }[]
  expect(steps[0]).toMatchObject({
    step: 'sent',
    group: 'AdminGroupProducer',
    keys: 's1-0',
    isSuccess: true,
    topic: 'AdminTopic',
  })
  // The consumer of 5.3.3 asks for more than its constructor to trace.
  if (tool !== ORACLE) return
  expect(steps).toContainEqual(expect.objectContaining({ step: 'received', group: 'AdminGroup' }))
  expect(steps).toContainEqual(expect.objectContaining({ step: 'consumed', isSuccess: true }))
}

const outcomes = new Map<Tool, Outcome[]>()

describe.skipIf(!apacheIsThere(...CLIENTS)).each(CLIENTS)(`mqadmin %s, all of it, and the ${KIND} broker`, (tool) => {
  // A hundred commands of one JVM: on a busy machine one of them may not get its connection in time.
  test('every command is in the table, and prints what it must', { retry: 1 }, async () => {
    const { names, outputs } = await runAll(tool, KIND)
    const listed = new Set(commandsOf(tool).map(nameOf))
    expect([...names].filter((name) => !listed.has(name))).toEqual([])
    expect([...listed].filter((name) => !names.includes(name))).toEqual([])
    const oracle = COMPARES && KIND === 'basalt' ? await runAll(tool, 'apache') : undefined
    const wrong = [...outputs].filter(([{ says, isElsewhere }, text]) =>
      isElsewhere === true ? !says.test(text) && !/CODE: \d+/.test(text) : !says.test(text),
    )
    outcomes.set(tool, outcomesOf(outputs, oracle?.outputs))
    // On Apache's broker some commands of 5.3.3 do not work: that is what the comparison shows.
    if (KIND === 'basalt') expect(wrong.map(([{ line, says }, text]) => ({ line, says, text }))).toEqual([])
  })
})

test.skipIf(!apacheIsThere(...CLIENTS) || KIND !== 'basalt')('docs/mqadmin.md has a row for every command', () => {
  const table = tableOf(outcomes, ORACLE)
  if (COMPARES) writeFileSync(DOCUMENT, table)
  const rows = readFileSync(DOCUMENT, 'utf8').split('\n')
  for (const [tool, list] of outcomes) {
    for (const { name, state } of list) {
      const row = rows.find((line) => line.startsWith(`| \`${name}\` |`))
      expect(row, `${name} (${tool})`).toBeDefined()
      if (!state.startsWith('answered')) expect(row).toContain(state)
    }
  }
})
