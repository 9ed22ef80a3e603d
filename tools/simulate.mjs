// Compiles the simulated world (test/simulation with src/dledger/core) and runs its command line: npm run simulate -- --help is in
// test/simulation/cli.ts.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
const built = spawnSync(process.execPath, [tsc, '-p', join(root, 'test', 'simulation', 'tsconfig.json')], {
  stdio: 'inherit',
})
if (built.status === 0) await import(join(root, 'build', 'simulation', 'test', 'simulation', 'cli.js'))
else process.exitCode = built.status ?? 1
