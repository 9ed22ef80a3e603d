/**
 * Builds native-bindings/*.cc into build/Release/basalt.node with the system's C++ compiler, without node-gyp and without
 * a download: the addon needs node_api.h only, and any Node's will do.
 *
 *   node native-bindings/build.mjs            at npm install: a failure is told and does not fail the install
 *   node native-bindings/build.mjs --strict   exit status 1 when it cannot be built
 *   node native-bindings/build.mjs --force    even if the output is newer than the sources
 *
 * The output is written beside its place and renamed into it, so that a process that loads it sees a whole file.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const folder = join(here, '..', 'build', 'Release')
const output = join(folder, 'basalt.node')
const sources = readdirSync(here).filter((name) => /\.(cc|h|mjs)$/.test(name))
const force = process.argv.includes('--force')
const strict = process.argv.includes('--strict')

/** Folders that may hold node_api.h, best first. */
function headerFolders() {
  const { npm_config_nodedir: nodedir, npm_config_devdir: devdir } = process.env
  const executables = [process.execPath, realpathSync(process.execPath)]
  const caches = [devdir, join(homedir(), '.cache', 'node-gyp'), join(homedir(), 'Library', 'Caches', 'node-gyp')]
  return [
    nodedir && join(nodedir, 'include', 'node'),
    ...executables.map((path) => join(dirname(path), '..', 'include', 'node')),
    // `npm install node` puts the binary into one package and the headers into its neighbour.
    ...executables.map((path) =>
      join(dirname(path), '..', '..', `node-${process.platform}-${process.arch}`, 'include', 'node'),
    ),
    '/usr/include/node',
    '/usr/include/nodejs/src',
    '/usr/local/include/node',
    '/opt/homebrew/include/node',
    ...caches.filter(Boolean).map((path) => join(path, process.versions.node, 'include', 'node')),
  ].filter(Boolean)
}

function isFresh() {
  if (!existsSync(output)) return false
  const built = statSync(output).mtimeMs
  return sources.every((name) => statSync(join(here, name)).mtimeMs <= built)
}

function stop(what, todo) {
  console.error(`basaltmq: the addon was not built: ${what}`)
  console.error(`basaltmq: ${todo}; then run "npm run install" here. A broker does not start without it.`)
  process.exit(strict ? 1 : 0)
}

function build() {
  if (process.platform === 'win32') stop('Windows has none of the calls it wraps', 'use Linux (or WSL)')
  const headers = headerFolders().find((path) => existsSync(join(path, 'node_api.h')))
  if (headers === undefined) {
    stop(
      'node_api.h was not found',
      "install Node's headers (Debian: libnode-dev) or set npm_config_nodedir to a Node folder",
    )
  }
  const compiler = process.env.CXX || 'c++'
  const temporary = join(folder, `.basalt-${process.pid}.node`)
  const shared = process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared']
  const flags = [
    '-std=c++17',
    '-O2',
    '-fPIC',
    '-fvisibility=hidden',
    '-fno-exceptions',
    '-fno-rtti',
    '-Wall',
    '-Wextra',
  ]
  mkdirSync(folder, { recursive: true })
  const command = [...shared, ...flags, '-pthread', '-I', headers, '-o', temporary, join(here, 'basalt.cc')]
  const result = spawnSync(compiler, command, { stdio: ['ignore', 'inherit', 'inherit'] })
  if (result.status !== 0) {
    rmSync(temporary, { force: true })
    const what = result.error
      ? `"${compiler}" cannot be run (${result.error.code})`
      : `"${compiler}" ended with ${result.status}`
    stop(what, 'install a C++ compiler (Debian: apt-get install g++; macOS: xcode-select --install) or set CXX')
  }
  renameSync(temporary, output)
}

if (force || !isFresh()) build()
