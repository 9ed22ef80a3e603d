/** Topic and broker permissions: what Apache's broker 4.9.7 answers beside ours, to the same requests. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startNamesrv } from '../../src/namesrv/index.ts'
import { startTestBroker, type TestBroker } from '../../src/testing/index.ts'
import { type ApacheServer, startApacheBroker } from '../../tools/apache/apache.mjs'
import { TestClient } from '../support/client.ts'
import { Talk } from './support/namesrv-talk.ts'
import { APACHE_JAVA, APACHE_PATIENCE, apacheIsThere, ORACLE, Scratch } from './support/systems.ts'

const SOON = { timeout: 15_000, interval: 50 }

describe.skipIf(!apacheIsThere(ORACLE))(`permissions, ours beside ${ORACLE}`, () => {
  const scratch = new Scratch()
  let ours: TestBroker
  let apache: ApacheServer
  let talk: Talk
  const clients: TestClient[] = []
  const closing: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    const namesrv = await startNamesrv({ port: 0, host: '127.0.0.1' })
    closing.push(() => namesrv.close())
    talk = new Talk(namesrv.port)
    closing.unshift(() => talk.end())
    const config = { nameServerInside: 'never', namesrvAddr: namesrv.address, brokerName: 'ours' } as const
    ours = await startTestBroker({ config })
    closing.unshift(() => ours.close())
    const folder = scratch.sub('broker')
    const common = { version: ORACLE, folder, name: 'apache', namesrv: namesrv.address }
    apache = await startApacheBroker({ ...common, config: APACHE_PATIENCE, java: APACHE_JAVA })
    closing.unshift(() => apache.kill())
    clients.push(new TestClient(ours.address), new TestClient(apache.address))
    for (const client of clients) closing.unshift(() => client.close())
  }, 60_000)
  afterAll(async () => {
    for (const close of closing) await close()
    scratch.remove()
  })

  const both = <T>(ask: (client: TestClient) => Promise<T>) => Promise.all(clients.map(ask))
  const setPermission = async (permission: number) => {
    ours.handle.config.brokerPermission = permission
    expect((await clients[1].invoke(25, {}, Buffer.from(`brokerPermission=${permission}\n`))).code).toBe(0)
  }
  const permsOf = async (topic: string) => {
    const { body } = await talk.ask('client', { code: 105, ext: { topic }, version: 409 })
    const { queueDatas = [] } = (body ?? {}) as { queueDatas?: { brokerName: string; perm: number }[] }
    return Object.fromEntries(queueDatas.map(({ brokerName, perm }) => [brokerName, perm]))
  }

  test('a topic of permission 2, 4 or 6: sends are not refused by it, pulls are', async () => {
    for (const perm of [2, 4, 6]) {
      const topic = `Perm${perm}`
      const ext = { topic, defaultTopic: 'TBW102', readQueueNums: '2', writeQueueNums: '2', perm: String(perm) }
      const made = await both((client) => client.invoke(17, { ...ext, topicFilterType: 'SINGLE_TAG', order: 'false' }))
      expect(made.map(({ code }) => code)).toEqual([0, 0])
      expect((await both((client) => client.send(topic, 'm'))).map(({ code }) => code)).toEqual([0, 0])
      const pulls = await both((client) => client.pull(topic, 0, 0, { suspendMs: 3000 }))
      const code = (perm & 4) === 0 ? 16 : 0
      expect(pulls.map((pull) => pull.code)).toEqual([code, code])
      if (code === 16) expect(pulls[0].answer.remark).toBe(pulls[1].answer.remark)
      await expect.poll(() => permsOf(topic), SOON).toEqual({ ours: perm, apache: perm })
    }
  })

  test('a broker without read refuses every pull; one without write, in ours, every send', async () => {
    await setPermission(2)
    const pulls = await both((client) => client.pull('Perm6', 0, 0))
    expect(pulls.map(({ code }) => code)).toEqual([16, 16])
    expect(pulls[0].answer.remark).toBe(pulls[1].answer.remark)
    expect((await both((client) => client.send('Perm6', 'm'))).map(({ code }) => code)).toEqual([0, 0])
    await expect.poll(() => permsOf('Perm6'), SOON).toEqual({ ours: 2, apache: 2 })

    await setPermission(4)
    expect((await both((client) => client.pull('Perm6', 0, 0))).map(({ code }) => code)).toEqual([0, 0])
    // 4.9 refuses order topics only: whoever has an old route goes on writing to a broker that is to be drained.
    expect((await both((client) => client.send('Perm6', 'm'))).map(({ code }) => code)).toEqual([16, 0])
    await expect.poll(() => permsOf('Perm6'), SOON).toEqual({ ours: 4, apache: 4 })
    // 4.9 shows a topic that nobody may read as readable.
    expect(await permsOf('Perm2')).toEqual({ ours: 0, apache: 4 })

    await setPermission(6)
    await expect.poll(() => permsOf('Perm2'), SOON).toEqual({ ours: 2, apache: 2 })
  })
})
