#!/usr/bin/env node
// The command: runs dist/cli. Says what is missing where it cannot.
import { existsSync } from 'node:fs'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 15)) {
  console.error(`basaltmq: Node ${process.versions.node} is too old: 20.15 or newer is needed`)
  process.exit(1)
}
const cli = new URL('../dist/cli/main.js', import.meta.url)
if (!existsSync(cli)) {
  console.error('basaltmq: the package was not built; run "npm run build" in its folder')
  process.exit(1)
}
const { main } = await import(cli.href)
const status = await main(process.argv.slice(2))
// A pipe takes 64 KiB at a time: what is still to be read would go with the process.
for (const stream of [process.stdout, process.stderr]) await new Promise((done) => stream.write('', done))
process.exit(status)
