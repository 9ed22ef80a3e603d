import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { afterEach, expect, test } from 'vitest'
import { threadArguments } from '../../src/stages/thread-arguments.ts'

const own = process.execArgv
afterEach(() => {
  process.execArgv = own
})

async function startsThread(): Promise<boolean> {
  const worker = new Worker('', { eval: true, ...threadArguments() })
  const [status] = await once(worker, 'exit')
  return status === 0
}

test("threads start in a process with V8's flags", async () => {
  process.execArgv = ['--max-old-space-size=512', '--perf-basic-prof']
  expect(threadArguments()).toEqual({})
  expect(await startsThread()).toBe(true)
})

test('what the program was told about its own entry is kept from the threads', async () => {
  process.execArgv = ['--max-old-space-size=512', '--input-type=module', '-e', 'await 0']
  expect(threadArguments()).toEqual({ execArgv: [] })
  expect(await startsThread()).toBe(true)
})
