// Compiles src to dist. Run by `npm run build`, `npm start` and `npm test`.
// `--if-needed` does nothing while dist is newer than every source file. The new dist takes the old one's place at once,
// so that a broker or test that starts meanwhile finds one or the other.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
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

const isCurrent = existsSync(stamp) && newest(join(root, 'src')) < statSync(stamp).mtimeMs
if (!isCurrent || !process.argv.includes('--if-needed')) {
  const fresh = join(root, 'build', `dist-${process.pid}`)
  const old = join(root, 'build', `old-${process.pid}`)
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
  const result = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.json'), '--outDir', fresh], {
    stdio: 'inherit',
  })
  if (result.status === 0) {
    if (existsSync(dist)) renameSync(dist, old)
    renameSync(fresh, dist)
  }
  for (const folder of [fresh, old]) rmSync(folder, { recursive: true, force: true })
  process.exitCode = result.status ?? 1
}
