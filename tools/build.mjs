// Compiles src to dist, and the addon if it is not there yet. Run by `npm run build`, `npm start` and `npm test`.
// `--if-needed` does nothing while dist is newer than every source file.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const dist = join(root, 'dist')
const stamp = join(dist, 'index.js')

function newest(folder) {
  let latest = 0
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) latest = Math.max(latest, statSync(join(entry.parentPath, entry.name)).mtimeMs)
  }
  return latest
}

const needed =
  !process.argv.includes('--if-needed') || !existsSync(stamp) || newest(join(root, 'src')) > statSync(stamp).mtimeMs
if (needed) {
  rmSync(dist, { recursive: true, force: true })
  const packageFile = createRequire(import.meta.url).resolve('typescript/package.json')
  const tsc = join(dirname(packageFile), 'bin', 'tsc')
  const result = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.json')], { stdio: 'inherit' })
  if (result.status !== 0) process.exit(result.status ?? 1)
}
