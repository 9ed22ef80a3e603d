/** The examples do what they say, against a broker, and end by themselves; the README's quick start is one of them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { Admin } from '../../src/client/index.ts'
import { startTestBroker, type TestBroker } from '../../src/testing/index.ts'
import { send } from './consumer/support.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const EXAMPLES = join(ROOT, 'examples')
const patience = { timeout: 15_000 }
let broker: TestBroker
const children = new Set<ChildProcess>()

beforeAll(async () => {
  broker = await startTestBroker({ config: { enablePropertyFilter: true, traceTopicEnable: true } })
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await broker.close()
})

interface Run {
  readonly said: () => string[]
  readonly status: Promise<number | null>
  stop(): void
}

function run(args: string[], { node = process.execPath, env = {} } = {}): Run {
  const child = spawn(node, args, {
    cwd: ROOT,
    env: { ...process.env, NAMESRV_ADDR: broker.namesrv, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.add(child)
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  const status = new Promise<number | null>((done) => child.once('close', done))
  return { said: () => text.trimEnd().split('\n'), status, stop: () => void child.kill('SIGINT') }
}

/** What each prints, and whether the order of the lines counts. */
const BY_THEMSELVES: [name: string, lines: (string | RegExp)[], inOrder: boolean][] = [
  ['send', [/^SEND_OK at offset 0 of a queue of Orders, id of 32 digits$/], true],
  ['oneway', ['100 written'], true],
  ['batch', ['500 results, 500 ids'], true],
  ['order', ['a created, a paid, a shipped', 'b created, b paid, b shipped', 'c created, c paid, c shipped'], true],
  ['delay', [/^wake up, after [1-9] s$/], true],
  ['transaction', ['t-1 COMMIT_MESSAGE', 't-2 ROLLBACK_MESSAGE'], true],
  ['request-reply', ['12 squared is 144'], true],
  ['broadcast', ['first forgets user 42', 'second forgets user 42'], false],
  ['sql-filter', ['500 in us'], true],
  ['trace', ['Pub by example-trace to Orders'], true],
]

test.concurrent.each(BY_THEMSELVES)('%s', async (name, lines, inOrder) => {
  const { status, said } = run([join(EXAMPLES, `${name}.mjs`)])
  expect(await status).toBe(0)
  const got = inOrder ? said() : said().sort()
  expect(got).toEqual(lines.map((line) => (typeof line === 'string' ? line : expect.stringMatching(line))))
})

test('what oneway and batch wrote is stored', async () => {
  await using admin = new Admin({ nameserver: broker.namesrv })
  const stored = async (topic: string) => (await admin.queueOffsets(topic)).reduce((sum, { max }) => sum + max, 0)
  await vi.waitFor(async () => expect(await stored('Metrics')).toBe(100), patience)
  await vi.waitFor(async () => expect(await stored('Readings')).toBe(500), patience)
})

test.each([
  ['push-consumer', ['Orders new a (try 1)', 'Orders paid b (try 1)', 'Orders paid b (try 2)']],
  ['ordered-consumer', ['queue 0: a (try 1)', 'queue 0: b (try 1)', 'queue 0: b (try 2)']],
  ['lite-pull-consumer', ['a at offset 0 of queue 0', 'b at offset 1 of queue 0']],
])('%s runs until it is told to end', async (name, lines) => {
  const own = await startTestBroker()
  onTestFinished(() => own.close())
  await send(own, 'Orders', ['a'], { properties: { TAGS: 'new' } }, 1)
  await send(own, 'Orders', ['b'], { properties: { TAGS: 'paid' } }, 1)
  const { said, status, stop } = run([join(EXAMPLES, `${name}.mjs`)], { env: { NAMESRV_ADDR: own.namesrv } })
  await vi.waitFor(() => expect(said().sort()).toEqual([...lines].sort()), patience)
  stop()
  expect(await status).toBe(0)
})

/** It needs node:sqlite, and a Node that loads a .ts file: this one, or the one that `npm run test:nodes` has fetched. */
const newer = [
  ...(Number(process.versions.node.split('.')[0]) >= 24 ? [process.execPath] : []),
  join(ROOT, '.cache', 'nodes', '24', 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node'),
].find(existsSync)
if (newer === undefined) {
  process.stderr.write('\n*** SKIPPED: examples/once.mjs needs Node 24: "npm run test:nodes -- 24" fetches it ***\n')
}

test.skipIf(newer === undefined)('once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'basalt-once-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const env = { ONCE_DATABASE: join(folder, 'once.db'), NODE_NO_WARNINGS: '1' }
  const { status, said } = run([join(EXAMPLES, 'once.mjs')], { node: newer!, env })
  expect(await status).toBe(0)
  expect(said().sort()).toEqual(['a was charged before', 'charge a', 'charge b'])
})

test("the README's second quick start is quick-start.ts, has ten lines, sends and consumes", async () => {
  const shown = /```ts\n(.*?)```/s.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))?.[1] ?? ''
  expect(shown).toBe(readFileSync(join(EXAMPLES, 'quick-start.ts'), 'utf8'))
  expect(shown.split('\n').filter((line) => line !== '')).toHaveLength(10)
  // Nothing in it is TypeScript's alone, so that any Node runs it.
  const code = shown.replace('127.0.0.1:9876', broker.namesrv)
  expect(code).not.toBe(shown)
  const { said, stop, status } = run(['--input-type=module', '-e', code])
  await vi.waitFor(() => expect(said()).toContain('TagA: hello Basalt'), patience)
  expect(said().join('\n')).toContain("sendStatus: 'SEND_OK'")
  stop()
  await status
})

test('the table of examples names every file', () => {
  const table = readFileSync(join(EXAMPLES, 'README.md'), 'utf8')
  const files = readdirSync(EXAMPLES).filter((name) => name !== 'README.md' && !name.endsWith('.d.ts'))
  for (const name of files) expect(table).toContain(`[${name}](${name})`)
})
