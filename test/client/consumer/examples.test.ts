/** The examples of consumers do what they say, against a broker, and end by themselves when they are told to. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { send, testBroker } from './support.ts'

const patience = { timeout: 15_000 }

test.each([
  ['push-consumer', ['Orders new a (try 1)', 'Orders paid b (try 1)', 'Orders paid b (try 2)']],
  ['ordered-consumer', ['queue 0: a (try 1)', 'queue 0: b (try 1)', 'queue 0: b (try 2)']],
  ['lite-pull-consumer', ['a at offset 0 of queue 0', 'b at offset 1 of queue 0']],
])('%s', async (name, lines) => {
  const broker = await testBroker()
  await send(broker, 'Orders', ['a'], { properties: { TAGS: 'new' } }, 1)
  await send(broker, 'Orders', ['b'], { properties: { TAGS: 'paid' } }, 1)
  const script = fileURLToPath(new URL(`../../../examples/${name}.mjs`, import.meta.url))
  const env = { ...process.env, NAMESRV_ADDR: broker.namesrv }
  const child = spawn(process.execPath, [script], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += chunk
  })
  const status = new Promise((resolve) => child.once('exit', resolve))
  await vi.waitFor(() => expect(said.trimEnd().split('\n').sort()).toEqual([...lines].sort()), patience)
  child.kill('SIGINT')
  expect(await status).toBe(0)
})
