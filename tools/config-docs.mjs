// @ts-check
// Writes the tables of all configuration keys into docs/configuration.md, from the built code: node tools/config-docs.mjs
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const path = join(root, 'docs', 'configuration.md')
const { keyTables } = await import(new URL('../dist/config/key-table.js', import.meta.url).href)

let text = readFileSync(path, 'utf8')
for (const role of ['broker', 'namesrv']) {
  const block = new RegExp(`(<!-- keys of the ${role} -->\n)[\\s\\S]*?(<!-- end -->)`)
  text = text.replace(block, (_, begin, end) => `${begin}\n${keyTables(role)}\n${end}`)
}
writeFileSync(path, text)
