/** The tree of commands as a whole: its help, its examples, mqadmin's names, completion, tables. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parseDuration, parseTime } from '../../../src/cli/admin/format.ts'
import { NOT_HERE } from '../../../src/cli/admin/not-here.ts'
import { table } from '../../../src/cli/admin/table.ts'
import { fillAdmin, SPECS } from '../../../src/cli/admin/tree.ts'
import { completionScript } from '../../../src/cli/completion.ts'
import { addTools } from '../../../src/cli/tools.ts'
import { commandsOf, nameOf } from '../../interop/support/mqadmin-commands.ts'
import { World } from '../support.ts'
import { split } from './rig.ts'

const NOWHERE = '127.0.0.1:1'

describe('the tree', () => {
  test.each(SPECS.map((spec) => [spec.path, spec] as const))(
    'admin %s: help with examples that can be given',
    async (_, spec) => {
      const metadata = '{"topics":[{"topicName":"A"}],"groups":[{"groupName":"B"}]}'
      const world = new World({
        'tools.yml': 'accessKey: a\nsecretKey: b\n',
        'body.json': '{}',
        'metadata.json': metadata,
        'secret.txt': 'secret\n',
      })
      world.env.SECRET = 'secret'
      expect(await world.run('admin', ...spec.path.split(' '), '--help')).toBe(0)
      for (const name of spec.mqadmin) expect(world.printed).toContain(name)
      expect(spec.examples.length).toBeGreaterThan(0)
      for (const example of spec.examples) {
        expect(world.printed).toContain(`$ basaltmq admin ${example}`)
        if (example.includes('-n ') || /--store|--rules/.test(example)) continue
        world.complained = ''
        // Nobody is there to ask: a failure, but never one of usage.
        const status = await world.run('admin', ...split(example), '-n', NOWHERE)
        expect(world.complained).toContain(NOWHERE)
        expect(status, world.complained).toBe(1)
      }
    },
  )

  describe("mqadmin's commands", () => {
    const all = [...commandsOf('4.9.7'), ...commandsOf('5.3.3')]
    const names = [...new Set(all.map(nameOf))]
    /** What no broker of 4.x answers, by any release of the tool. */
    const isElsewhere = (name: string) => all.every((command) => nameOf(command) !== name || command.why !== undefined)

    test.each(names.filter((name) => !isElsewhere(name)))('%s leads to a command, and is in the help', async (name) => {
      const world = new World()
      expect(await world.run('admin', name, '--help')).toBe(0)
      expect(world.printed).toContain(`In mqadmin: `)
      expect(world.printed.match(/In mqadmin: (.*) \(works/)?.[1].split(', ')).toContain(name)
      await world.run('admin', '--help')
      expect(world.printed).toMatch(new RegExp(`[ ,]${name}(,|$)`, 'm'))
    })

    test.each(names.filter(isElsewhere))('%s says why there is none', async (name) => {
      const world = new World()
      expect(await world.run('admin', name, '-b', '127.0.0.1:1', 'x')).toBe(2)
      expect(world.complained).toContain(`mqadmin's ${name} is about `)
      expect(world.complained.trim().split('\n')).toHaveLength(1)
    })

    test('no other name is given out as one of them', () => {
      const known = new Set(names)
      expect(SPECS.flatMap(({ mqadmin }) => mqadmin).filter((name) => !known.has(name))).toEqual([])
      expect([...NOT_HERE.keys()].filter((name) => !known.has(name))).toEqual([])
    })
  })

  test('admin alone and what is unknown are usage', async () => {
    const world = new World()
    expect(await world.run('admin', 'tpic')).toBe(2)
    expect(world.complained).toContain('Did you mean topic?')
    expect(await world.run('admin', '--help')).toBe(0)
    expect(world.printed).toMatch(/topic list +topicList/)
  })
})

async function programOf(): Promise<Command> {
  const program = new Command('basaltmq')
  await addTools(program, new World(), ['completion'])
  return program
}

describe('completion', () => {
  test('bash completes commands, options and files', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'basalt-completion-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    writeFileSync(join(folder, 'script'), completionScript(await programOf(), 'bash') ?? '')
    writeFileSync(join(folder, 'an-account'), '')
    mkdirSync(join(folder, 'a-store'))
    const complete = (...words: string[]) => {
      const line = words.map((word) => `'${word}'`).join(' ')
      const script = `. ./script; COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _basaltmq; echo "\${COMPREPLY[*]}"`
      const { stdout, stderr } = spawnSync('bash', ['-c', script], { cwd: folder, encoding: 'utf8' })
      expect(stderr).toBe('')
      return stdout.trim().split(/\s+/)
    }
    expect(complete('basaltmq', 'ad')).toEqual(['admin'])
    expect(complete('basaltmq', 'admin', '')).toEqual(expect.arrayContaining(['topic', 'group', 'drain', 'top']))
    expect(complete('basaltmq', 'admin', 'topic', '')).toEqual(expect.arrayContaining(['list', 'shrink', 'delete']))
    expect(complete('basaltmq', 'admin', 'namesrv', 'kv', 's')).toEqual(['set'])
    expect(complete('basaltmq', 'admin', 'topic', 'create', 'T', '--qu')).toEqual(['--queues'])
    // The value of an option is no command.
    expect(complete('basaltmq', 'admin', 'topic', 'list', '-n', 'topic', '--js')).toEqual(['--json'])
    expect(complete('basaltmq', 'admin', 'top', '--account', 'an')).toEqual(['an-account'])
    expect(complete('basaltmq', 'inspect', 'a-')).toEqual(['a-store'])
    expect(complete('basaltmq', 'inspect', 'verify', 'a-')).toEqual(['a-store'])
    expect(complete('basaltmq', 'inspect', 'diff', 'a-store', 'a-s')).toEqual(['a-store'])
    expect(complete('basaltmq', 'inspect', 'map', 'a-store', '--svg', 'a-s')).toEqual(['a-store'])
    expect(complete('basaltmq', 'inspect', 'map', 'a-store', '--sv')).toEqual(['--svg'])
  })

  const there = (shell: string) => spawnSync(shell, ['-c', 'exit 0']).status === 0

  /** What each of them offers behind these words. */
  const SHELLS: Record<string, (script: string, words: readonly string[]) => string> = {
    fish: (script, words) => `source ${script}; complete -C '${words.join(' ')}'`,
    // The function itself, with what the completion system of zsh gives it: its answer is what it describes.
    zsh: (script, words) => `compdef() { : }
      _describe() { print -l -- "\${(@P)2}" }
      _files() { print -l -- FILES }
      source ${script}
      words=(${words.map((word) => `'${word}'`).join(' ')}); CURRENT=${words.length}
      _basaltmq`,
  }

  // Where the machine has none of them, what the scripts hold is looked at below.
  test.skipIf(!there('fish')).each([
    [['basaltmq', 'ad'], ['admin']],
    [['basaltmq', 'admin', 'topic', 'sh'], ['shrink']],
    [['basaltmq', 'admin', 'namesrv', 'kv', 's'], ['set']],
    [['basaltmq', 'admin', 'topic', 'create', 'T', '--qu'], ['--queues']],
    [['basaltmq', 'admin', 'topic', 'list', '-n', 'topic', '--js'], ['--json']],
    [['basaltmq', 'inspect', 'verify', 'a-'], ['a-store/']],
    [['basaltmq', 'inspect', 'map', 'a-store', '--html', 'a-'], ['a-store/']],
    [['basaltmq', 'admin', 'topic', 'describe', 'a-'], ['']],
  ])('fish completes %j', async (words, expected) => {
    expect(await offered('fish', words)).toEqual(expected)
  })

  test.skipIf(!there('zsh')).each([
    [['basaltmq', 'ad'], ['admin'], ['drain']],
    [['basaltmq', 'admin', 'topic', 'sh'], ['shrink', 'list'], ['drain']],
    [['basaltmq', 'admin', 'namesrv', 'kv', 's'], ['set', 'get'], ['tables']],
    [['basaltmq', 'admin', 'topic', 'list', '-n', 'topic', '--js'], ['--json', '--all'], ['shrink']],
    [['basaltmq', 'admin', 'top', '--tls-ca', 'x'], ['FILES'], ['--once']],
    [['basaltmq', 'admin', 'topic', 'describe', 'x'], ['--json'], ['FILES']],
    [['basaltmq', 'inspect', 'verify', 'x'], ['FILES', '--threads'], ['repair']],
    [['basaltmq', 'inspect', 'map', 'x', '--html', 'y'], ['FILES'], ['--svg']],
  ])('zsh completes %j', async (words, expected, not) => {
    const all = await offered('zsh', words)
    expect(all).toEqual(expect.arrayContaining(expected))
    for (const word of not) expect(all).not.toContain(word)
  })

  async function offered(shell: string, words: readonly string[]): Promise<string[]> {
    const folder = mkdtempSync(join(tmpdir(), 'basalt-completion-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    mkdirSync(join(folder, 'a-store'))
    const script = join(folder, `basaltmq.${shell}`)
    writeFileSync(script, completionScript(await programOf(), shell) ?? '')
    const args = shell === 'zsh' ? ['-f', '-c'] : ['--no-config', '-c']
    const { stdout, stderr } = spawnSync(shell, [...args, SHELLS[shell](script, words)], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, HOME: folder },
    })
    expect(stderr).toBe('')
    return stdout
      .trim()
      .split('\n')
      .map((line) => line.split(shell === 'zsh' ? /(?<!\\):/ : '\t')[0])
  }

  test.each(['bash', 'zsh', 'fish'])('%s has every command and option', async (shell) => {
    const script = completionScript(await programOf(), shell) ?? ''
    for (const { path } of SPECS) expect(script).toContain(path)
    for (const word of ['dry-run', 'quiet', 'namesrv', 'completion']) expect(script).toContain(word)
    // mqadmin's names are for those who type them.
    expect(script).not.toContain('topicStatus')
  })

  test('of another shell is refused', async () => {
    const world = new World()
    expect(await world.run('completion', 'tcsh')).toBe(2)
    expect(world.complained).toContain('bash, zsh or fish')
    expect(await world.run('completion', 'bash')).toBe(0)
    expect(world.printed).toContain('complete -F _basaltmq basaltmq')
  })
})

describe('output', () => {
  const rows = [
    { name: 'a-very-long-name-of-a-topic-that-goes-on', place: '127.0.0.1:10911', count: 5 },
    { name: 'short', place: '127.0.0.1:10912', count: 123456 },
  ]
  const columns = [
    { title: 'name', of: (row: (typeof rows)[number]) => row.name },
    { title: 'place', of: (row: (typeof rows)[number]) => row.place },
    { title: 'count', of: (row: (typeof rows)[number]) => row.count },
  ]

  test.each([40, 50, 80, 200])('a table fits %i columns, and numbers are whole', (width) => {
    const lines = table(columns, rows, width).trimEnd().split('\n')
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(width)
    expect(lines[2]).toMatch(/123456$/)
  })

  test('without a terminal nothing is cut, and control characters are not passed on', () => {
    expect(table(columns, rows, undefined)).toContain(rows[0].name)
    expect(table(columns, [{ name: 'a\u001b[2Jb\nc', place: '', count: 1 }], undefined)).toContain('a·[2Jb·c')
  })

  test('times as people write them', () => {
    const now = Date.parse('2026-05-01T12:00:00Z')
    expect(parseTime('10m ago', now)).toBe(now - 600_000)
    expect(parseTime('now', now)).toBe(now)
    expect(parseTime(String(now), 0)).toBe(now)
    expect(parseTime('2026-05-01T12:00:00Z', 0)).toBe(now)
    expect(parseTime('2026-05-01#12:00:00:250', 0)).toBe(new Date(2026, 4, 1, 12, 0, 0, 250).getTime())
    expect(parseTime('2026-05-01 12:00', 0)).toBe(new Date(2026, 4, 1, 12, 0).getTime())
    expect(() => parseTime('soon', now)).toThrow(/is no time/)
    expect(parseDuration('1.5h')).toBe(5_400_000)
    expect(() => parseDuration('5')).toThrow(/500ms, 90s/)
  })
})

test('fillAdmin fills a tree of its own', () => {
  const program = new Command('admin')
  fillAdmin(program, new World())
  expect(program.commands.length).toBeGreaterThan(20)
})
