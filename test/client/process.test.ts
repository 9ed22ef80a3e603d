/** The client as a package: what is loaded with it, and a process that ends by itself. Uses dist, as users do. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { startTestBroker } from '../../src/testing/index.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const SRC = resolve(ROOT, 'src')
const run = promisify(execFile)

/** Every file that is loaded with `entry`: values only, types are erased. */
function loadedWith(entry: string, seen = new Set<string>()): Set<string> {
  if (seen.has(entry)) return seen
  seen.add(entry)
  const text = readFileSync(entry, 'utf8')
  for (const [, what, path] of text.matchAll(/^(?:import|export) ([^'"]*?from )?['"](\.[^'"]+)['"]/gm)) {
    if (what?.startsWith('type ') !== true) loadedWith(resolve(dirname(entry), path), seen)
  }
  return seen
}

test('the client loads the protocol and the reading of records: no broker, no addon', () => {
  const loaded = [...loadedWith(resolve(SRC, 'client/index.ts'))].map((path) => relative(SRC, path))
  const folders = new Set(loaded.map((path) => path.split('/')[0]).filter((folder) => !folder.endsWith('.ts')))
  expect([...folders].sort()).toEqual(['admin', 'client', 'remoting', 'store'])
  expect(loaded.filter((path) => path.startsWith('store/')).every((path) => path.startsWith('store/commitlog/'))).toBe(
    true,
  )
})

const PROGRAM = `
  import { Admin, LitePullConsumer, Producer, PushConsumer } from 'basaltmq/client'
  process.on('unhandledRejection', (error) => { console.error(error); process.exit(9) })
  const producer = new Producer({ nameserver: process.argv[1], group: 'g', enableMsgTrace: true, checkLocalTransaction: () => 'UNKNOW' })
  await producer.send({ topic: 'process', body: 'hello' })
  await producer.sendBatch([{ topic: 'process', body: 'a' }, { topic: 'process', body: 'b' }])
  await producer.sendInTransaction({ topic: 'process', body: 'c' }, () => 'COMMIT_MESSAGE')
  const late = producer.request({ topic: 'process', body: 'nobody replies' }, { timeout: 200 }).catch((error) => error.code)
  const common = { nameserver: process.argv[1], subscriptions: { process: '*' }, consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET', enableMsgTrace: true }
  let ordered = 0
  const consumers = [
    new PushConsumer({ ...common, group: 'ordered', orderlyListener: () => { if (++ordered === 2) throw new Error('again') } }),
    new PushConsumer({ ...common, group: 'late', listener: () => 'RECONSUME_LATER' }),
    new LitePullConsumer({ ...common, group: 'lite' }),
  ]
  for (const consumer of consumers) await consumer.start()
  while (ordered < 2) await new Promise((resolve) => setTimeout(resolve, 10))
  const polling = consumers[2].poll({ timeout: 60_000 })
  const admin = new Admin({ nameserver: process.argv[1] })
  await admin.offsets('ordered')
  await Promise.all([...consumers, admin, producer].map((one) => one.close()))
  await polling
  const addons = process.report.getReport().sharedObjects.filter((path) => path.endsWith('basalt.node'))
  console.log(JSON.stringify({ late: await late, addons, timers: process.getActiveResourcesInfo().filter((one) => /Timeout/.test(one)) }))
`

test('a process with a producer, consumers of each kind and an admin ends by itself after close, and has loaded no addon', async () => {
  await using broker = await startTestBroker()
  const began = performance.now()
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', PROGRAM, broker.namesrv], {
    cwd: ROOT,
    timeout: 20_000,
  })
  expect(JSON.parse(stdout)).toEqual({ late: 'REQUEST_TIMEOUT', addons: [], timers: [] })
  expect(performance.now() - began).toBeLessThan(10_000)
})
