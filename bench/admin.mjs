// @ts-check
/**
 * How long does a command of `basaltmq admin` take, from its start to its end, as a process?
 *
 *     node bench/admin.mjs [--rounds 5] [--server basalt|apache]
 *
 * Setup: a NameServer and a broker as processes, ours or Apache's 4.9.7, with topics, groups and messages. Every command that only reads runs
 * --rounds times, one after the other, after one that is not counted; so does `node -e 0`, which is the least that any can take.
 * Prints median and maximum of each, and fails where a maximum is beyond 300 ms. Writes bench/results/admin-*.json.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startApacheBroker, startApacheNamesrv } from '../tools/apache/apache.mjs'
import { freeBrokerPort } from '../tools/apache/process.mjs'
import { machine } from './load/servers.mjs'
import { median } from './load/stats.mjs'
import { table, writeResult } from './load/table.mjs'

const GOAL_MS = 300
const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, server: { type: 'string', default: 'basalt' } },
})
const rounds = Number(values.rounds)
const COMMAND = resolve(dirname(fileURLToPath(import.meta.url)), '..', 'bin', 'basaltmq.js')
const folder = mkdtempSync(join(tmpdir(), 'basalt-admin-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

const [namesrvPort, port] = [await freeBrokerPort(), await freeBrokerPort()]
const namesrv = `127.0.0.1:${namesrvPort}`
const set = (/** @type {Record<string, string | number>} */ keys) =>
  Object.entries(keys).flatMap(([key, value]) => ['--set', `${key}=${value}`])
const FILES = { mappedFileSizeCommitLog: 64 << 20, enablePropertyFilter: 'true' }
const servers = values.server === 'apache' ? await apache() : ours()

function ours() {
  return [
    start('namesrv', set({ listenPort: namesrvPort, kvConfigPath: join(folder, 'kv.json') })),
    start(
      'broker',
      set({
        ...{ brokerName: 'broker-a', brokerIP1: '127.0.0.1', listenPort: port, haListenPort: port + 1 },
        ...{ namesrvAddr: namesrv, storePathRootDir: join(folder, 'store'), traceTopicEnable: 'true', ...FILES },
      }),
    ),
  ]
}

async function apache() {
  const version = '4.9.7'
  const names = await startApacheNamesrv({ version, port: namesrvPort, folder: join(folder, 'namesrv') })
  const config = { ...FILES, traceTopicEnable: 'true' }
  return [names, await startApacheBroker({ version, folder: join(folder, 'broker'), port, namesrv, config })]
}

/** @param {string} role @param {string[]} args */
function start(role, args) {
  return spawn(process.execPath, [COMMAND, role, ...args], { cwd: folder, stdio: 'ignore' })
}

/** @param {readonly string[]} args */
function run(args) {
  const began = performance.now()
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })
  return { ms: performance.now() - began, status, stdout, stderr }
}

/** @param {string} line */
function words(line) {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare)
}
const admin = (/** @type {string} */ line) => run([COMMAND, 'admin', ...words(line), '-n', namesrv])

/** @param {string} line */
function must(line) {
  const ran = admin(line)
  if (ran.status !== 0) throw new Error(`${line}: ${ran.status} ${ran.stderr}`)
  return ran.stdout
}

try {
  for (let i = 0; admin('topic create Orders -q 8').status !== 0; i++)
    if (i > 100) throw new Error('the broker does not start')
  for (let i = 0; i < 10; i++) must(`topic create Topic${i} -q 4`)
  for (let i = 0; i < 10; i++) must(`group create Group${i}`)
  must('message probe Orders -c 1000 --yes')
  const sent = JSON.parse(must('message send Orders --body hello --key order-17 --tag Paid -q 0 --json'))
  for (let i = 0; i < 10; i++) must(`offset reset Group${i} -t Orders --to earliest --yes`)
  const rules = join(folder, 'plain_acl.yml')
  writeFileSync(rules, 'accounts:\n- accessKey: someone\n  secretKey: 12345678\n')
  const lines = [
    ...['--help', 'topic list', 'topic list --all', 'topic describe Orders', 'topic units Orders -q 0'],
    ...['topic allocate Orders a b c', 'group list', 'group describe Group0', 'group watch --once'],
    ...['broker list', 'broker describe broker-a', 'broker config get broker-a', 'broker stats'],
    ...['broker counter broker-a BROKER_PUT_NUMS DefaultCluster', 'broker producers', 'broker probe broker-a -c 1'],
    ...[
      `message show ${sent.offsetMsgId}`,
      `message show ${sent.msgId} -t Orders`,
      'message find Orders --key order-17',
    ],
    ...['message find Orders -q 0 --offset 0', 'message find Orders --from "1h ago" --tag Paid'],
    ...['message tail Orders --from "1h ago" -c 1', 'offset reset Group0 -t Orders --to latest --dry-run'],
    ...['offset clone Group0 Group1 -t Orders --dry-run', 'cluster list', 'cluster probe -c 1'],
    ...['cluster export metadata', 'cluster export configs', 'cluster export metrics', 'namesrv config get'],
    ...['namesrv kv list', 'namesrv tables', `acl show --rules ${rules}`, 'drain broker-a --dry-run'],
    ...['topic shrink Orders -q 4 --dry-run', 'top --once'],
  ]
  /** @type {{name: string, args: string[]}[]} */
  const all = [
    { name: 'node -e 0', args: ['-e', '0'] },
    ...lines.map((line) => ({ name: line, args: [COMMAND, 'admin', ...words(line), '-n', namesrv] })),
  ]
  const measured = all.map(({ name, args }) => {
    // The rule file and help need no NameServer, and take -n like all.
    run(args)
    const rans = Array.from({ length: rounds }, () => run(args))
    const bad = rans.find(({ status }) => status !== 0 && !(name.startsWith('group watch') && status === 3))
    if (bad !== undefined) throw new Error(`${name}: ${bad.status} ${bad.stderr}`)
    const times = rans.map(({ ms }) => ms)
    return { command: shown(name), median: median(times), max: Math.max(...times) }
  })
  const rows = measured.map(({ command, median: middle, max }) => [command, middle.toFixed(0), max.toFixed(0)])
  console.log(table(['command', 'median ms', 'max ms'], rows))
  const slow = measured.filter(({ max }) => max > GOAL_MS)
  console.log(
    slow.length === 0
      ? `every command ends within ${GOAL_MS} ms`
      : `beyond ${GOAL_MS} ms: ${slow.map(({ command }) => command).join(', ')}`,
  )
  writeResult('admin', { server: values.server, machine: machine(), rounds, measured })
  process.exitCode = slow.length === 0 ? 0 : 1
} finally {
  for (const server of servers) await server.kill('SIGKILL')
}

/** @param {string} name */
function shown(name) {
  return name.replace(/[\dA-F]{20,}/g, 'ID').replace(/\/\S+\/(\S+)/, '$1')
}
