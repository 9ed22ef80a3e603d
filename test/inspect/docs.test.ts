/**
 * docs/inspector.md shows what the commands print: each block is run, line by line, on the recorded store. UPDATE_DOCS=1 writes what
 * they print now.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { World } from '../cli/support.ts'

const DOCUMENT = fileURLToPath(new URL('../../docs/inspector.md', import.meta.url))
const STORE = fileURLToPath(new URL('../vectors/rocketmq-4.9.8/store/store-clean.tar.gz', import.meta.url))
const MEMBER = fileURLToPath(new URL('../vectors/dledger-0.3.1.2/store/rmq-clean-n2.tar.gz', import.meta.url))
const BLOCK = /```console\n([\s\S]*?)```/g

/** What no two runs, or no two file systems, have alike. */
const masked = (text: string) =>
  text
    .replace(/; [\d.]+ \w+ in [\d.]+ s, .*$/gm, '; …')
    .replace(/^ {2}disk .*$/gm, '  disk …')
    .replace(/; [\d.]+ s here$/gm, '; …')
    .replace(/[\d.,]+ \w+ are free$/gm, '… are free')
    .replace(/, [\d,]+\/s$/gm, ', …')

function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain)
}

/** A world with the store unpacked, and that of a member of a DLedger group where it is spoken of. */
function worldWithStore(block: string): World {
  const world = new World()
  execFileSync('mkdir', [join(world.cwd, 'store')])
  execFileSync('tar', ['xzf', STORE, '-C', join(world.cwd, 'store')])
  if (!block.includes(' member')) return world
  execFileSync('tar', ['xzf', MEMBER, '-C', world.cwd, '--transform', 's/^store/member/'])
  return world
}

async function printedBy(world: World, line: string): Promise<string> {
  world.printed = ''
  world.complained = ''
  const command = line.slice(2)
  if (command.startsWith('basaltmq ')) await world.run(...words(command).slice(1))
  else execFileSync('sh', ['-c', command], { cwd: world.cwd })
  return (world.printed + world.complained).replaceAll(world.cwd, '/data')
}

test('every example of docs/inspector.md prints what the document shows', async () => {
  const zone = process.env.TZ
  process.env.TZ = 'UTC'
  const text = readFileSync(DOCUMENT, 'utf8')
  let updated = ''
  let from = 0
  for (const match of text.matchAll(BLOCK)) {
    const world = worldWithStore(match[1])
    let block = ''
    for (const line of match[1].split('\n').filter((each) => each.startsWith('$ '))) {
      block += `${line}\n${await printedBy(world, line)}`
    }
    for (const name of ['store', 'member']) rmSync(join(world.cwd, name), { recursive: true, force: true })
    if (process.env.UPDATE_DOCS !== '1') expect(masked(match[1])).toBe(masked(block))
    updated += `${text.slice(from, match.index)}\`\`\`console\n${block}\`\`\``
    from = match.index + match[0].length
  }
  expect(from).toBeGreaterThan(0)
  if (process.env.UPDATE_DOCS === '1') writeFileSync(DOCUMENT, updated + text.slice(from))
  if (zone === undefined) delete process.env.TZ
  else process.env.TZ = zone
})
