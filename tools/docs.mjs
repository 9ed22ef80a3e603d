// API documentation from the docstrings, by TypeDoc: `npm run docs` writes docs/api (not kept in the repository).
//
// TypeDoc asks TypeScript through its JavaScript API, which the compiler that the project is built with no longer has. So it comes with a
// TypeScript of its own: tools/docs names both, and they are installed there when they are first needed.
// Further words go to TypeDoc: `npm run docs -- --out /tmp/api`, `npm run docs -- --emit none` (only whether all is well).
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const home = join(root, 'tools', 'docs')
const installed = join(home, 'node_modules', '.package-lock.json')

/** Status of the command, which writes to our own output. */
function run(command, args, cwd) {
  const result = spawnSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] })
  if (result.error !== undefined) throw result.error
  return result.status ?? 1
}

/** Installs what tools/docs/package-lock.json names, unless that was done. */
export function installDocs() {
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(home, 'package-lock.json')).mtimeMs)
    return 0
  return run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], home)
}

/** Every warning is an error: a type that is named but not exported, a link that leads nowhere. */
export function makeDocs(more) {
  const typedoc = join(home, 'node_modules', 'typedoc', 'bin', 'typedoc')
  const options = join(home, 'typedoc.json')
  return run(process.execPath, [typedoc, '--options', options, '--treatWarningsAsErrors', ...more], root)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = installDocs() || makeDocs(process.argv.slice(2))
}
