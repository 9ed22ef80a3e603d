import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Waker, wakeNetwork } from '../../src/native/index.ts'
import { ADDON } from './support.ts'

/** A thread that publishes 1 … count in words[0] and wakes after each; with `answers` it waits for the same in words[1]. */
function publisher(words: Int32Array, handle: bigint, count: number, answers: boolean): Worker {
  const code = `
    const { workerData: { addon, words, handle, count, answers } } = require('node:worker_threads')
    const { wake } = require(addon)
    for (let n = 1; n <= count; n++) {
      Atomics.store(words, 0, n)
      wake(handle)
      while (answers && Atomics.load(words, 1) !== n) {
        if (Atomics.wait(words, 1, n - 1, 20000) === 'timed-out') throw new Error('wake ' + n + ' was lost')
      }
    }`
  const worker = new Worker(code, { eval: true, workerData: { addon: ADDON, words, handle, count, answers } })
  onTestFinished(async () => {
    await worker.terminate()
  })
  return worker
}

const sharedWords = () => new Int32Array(new SharedArrayBuffer(8))

describe('a waker', () => {
  test('loses none of 10,000 wakes from a worker that waits for each', async () => {
    const words = sharedWords()
    using waker = new Waker(() => {
      Atomics.store(words, 1, Atomics.load(words, 0))
      Atomics.notify(words, 1)
    })
    const [code] = await once(publisher(words, waker.handle, 10_000, true), 'exit')
    expect(code).toBe(0)
    expect(words[1]).toBe(10_000)
  })

  test('calls back at least once after the last of many wakes, and not once for each', async () => {
    const words = sharedWords()
    let calls = 0
    let seen = 0
    let finish = () => {}
    const last = new Promise<void>((resolve) => {
      finish = resolve
    })
    using waker = new Waker(() => {
      calls++
      seen = Atomics.load(words, 0)
      if (seen === 50_000) finish()
    })
    publisher(words, waker.handle, 50_000, false)
    await last
    expect(seen).toBe(50_000)
    expect(calls).toBeLessThanOrEqual(50_000)
  })

  test('that is closed takes late wakes without a call, also after its place has a new owner', async () => {
    let calls = 0
    const closed = new Waker(() => calls++)
    closed.close()
    closed.close()
    using next = new Waker(() => {})
    expect(next.handle).not.toBe(closed.handle)
    await once(publisher(sharedWords(), closed.handle, 10_000, false), 'exit')
    wakeNetwork(closed.handle)
    await new Promise((resolve) => setImmediate(resolve))
    expect(calls).toBe(0)
  })

  test('may be closed while a worker wakes it', async () => {
    for (let round = 0; round < 20; round++) {
      const words = sharedWords()
      const waker = new Waker(() => {})
      const exited = once(publisher(words, waker.handle, 20_000, false), 'exit')
      while (Atomics.load(words, 0) < 100) await new Promise((resolve) => setImmediate(resolve))
      waker.close()
      await exited
    }
  })

  test('of a thread that ended without closing it is harmless', async () => {
    const worker = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads')
       parentPort.postMessage(require(workerData).openWaker(() => {}))`,
      { eval: true, workerData: ADDON },
    )
    const exited = once(worker, 'exit')
    const [handle] = await once(worker, 'message')
    await exited
    wakeNetwork(handle)
    wakeNetwork(handle)
  })

  test('does not keep the process alive, and its exceptions are uncaught ones', () => {
    const open = `const addon = require(${JSON.stringify(ADDON)})\n`
    const idle = spawnSync(process.execPath, ['-e', `${open}addon.openWaker(() => {})`], { timeout: 20_000 })
    expect(idle.status).toBe(0)
    const code = `${open}addon.wake(addon.openWaker(() => { throw new Error('from the callback') })); setTimeout(() => {}, 20000)`
    const thrown = spawnSync(process.execPath, ['-e', code], { timeout: 20_000 })
    expect(thrown.status).not.toBe(0)
    expect(String(thrown.stderr)).toContain('from the callback')
  })

  test('refuses a handle that never was one', () => {
    expect(() => wakeNetwork(2n ** 70n)).toThrow(TypeError)
    expect(() => wakeNetwork(12_345n)).toThrow(TypeError)
    expect(() => wakeNetwork(1 as unknown as bigint)).toThrow(TypeError)
  })
})
