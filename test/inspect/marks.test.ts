/** `inspect verify` on a store of ours: a wrong bit in what only ours has is found, or the table of docs/inspector.md says why not. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openStore, verifyStore } from '../../src/inspect/index.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { scratchFolder } from '../store/scratch.ts'
import { TestClient } from '../support/client.ts'

/** positions: two slots, and nothing between them. A byte of each of their numbers. */
const SLOTS = [0, 4096].flatMap((start) => Array.from({ length: 64 }, (_, i) => start + 4 * i + (i % 4)))

test('a wrong bit in each number of positions and queues is found', async () => {
  const broker = await startTestBroker({ folder: join(scratchFolder(), 'store') })
  const client = new TestClient(broker.address)
  for (let i = 0; i < 5; i += 1) await client.send('Marks', `m${i}`)
  await client.close()
  await broker.close()
  // For three seconds the older slot alone says that a broker may still be writing.
  const verify = () => verifyStore(openStore(broker.folder, { now: Date.now() + 10_000 }))
  expect(await verify()).toMatchObject({ isWhole: true })
  const notFound: string[] = []
  for (const name of ['positions', 'queues']) {
    const path = join(broker.folder, 'basalt', name)
    const bytes = readFileSync(path)
    for (const at of name === 'positions' ? SLOTS : bytes.keys()) {
      const changed = Buffer.from(bytes)
      changed[at] ^= 1 << (at % 8)
      writeFileSync(path, changed)
      const { findings } = await verify()
      if (!findings.some(({ code, file }) => code === 'POSITIONS' && file === path)) notFound.push(`${name} byte ${at}`)
    }
    writeFileSync(path, bytes)
  }
  expect(notFound).toEqual([])
  expect(await verify()).toMatchObject({ isWhole: true })
})
