// The fault campaign: `npm run faults` runs every row, `npm run faults -- 3 9` these. A row is test/faults/row-NN-name.test.ts.
// BASALT_CAMPAIGN=long, or --long: the long forms.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const rowsFolder = join(root, 'test', 'faults')
const asked = process.argv.slice(2)
const numbers = asked.filter((word) => /^\d+$/.test(word)).map(Number)
const others = asked.filter((word) => !/^\d+$/.test(word) && word !== '--long')
const files = readdirSync(rowsFolder).filter((name) => name.endsWith('.test.ts'))
const rowOf = (name) => Number(/^row-(\d+)-/.exec(name)?.[1])

const unknown = numbers.filter((number) => !files.some((name) => rowOf(name) === number))
if (unknown.length > 0) {
  const known = [...new Set(files.map(rowOf).filter(Number.isInteger))].sort((a, b) => a - b).join(', ')
  console.error(`no row ${unknown.join(', ')} of the fault campaign; there are: ${known}`)
  process.exit(2)
}

function run(command, args, env = process.env) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env })
  if (error !== undefined) throw error
  if (status !== 0) process.exit(status ?? 1)
}

run(process.execPath, [join(root, 'tools', 'build.mjs'), '--if-needed'])
const chosen = files.filter((name) => numbers.length === 0 || numbers.includes(rowOf(name)))
const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
const paths = chosen.map((name) => join('test', 'faults', name))
const env = asked.includes('--long') ? { ...process.env, BASALT_CAMPAIGN: 'long' } : process.env
run(process.execPath, [vitest, 'run', '--config', 'vitest.faults.config.ts', ...paths, ...others], env)
