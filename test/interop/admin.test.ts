/**
 * `basaltmq admin` against clusters of Apache's alone: NameServer and broker of 4.9.7 and of 5.3.3.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startApacheNamesrv } from '../../tools/apache/apache.mjs'
import { freeBrokerPort } from '../../tools/apache/process.mjs'
import { consumer, Rig, type Server } from '../cli/admin/rig.ts'
import { TestClient } from '../support/client.ts'
import { apacheIsThere, CLIENTS, KIND, ORACLE, Scratch, System } from './support/systems.ts'

const SHORT = '--every 50ms --quiet 200ms --wait 20s --yes'

describe.skipIf(!apacheIsThere(...CLIENTS) || KIND !== 'basalt').each(CLIENTS)(
  'admin and a cluster of Apache %s',
  (version) => {
    const scratch = new Scratch()
    const it = new Rig<Server>()
    let system: System

    beforeAll(async () => {
      const port = await freeBrokerPort()
      const namesrv = await startApacheNamesrv({ version, folder: scratch.sub('namesrv'), port })
      await namesrv.listening(port)
      system = new System({ scratch, kind: 'apache', version }, namesrv, port, await freeBrokerPort())
      await system.start()
      it.broker = system
      it.client = new TestClient(system.address)
    })

    afterAll(async () => {
      await it.client?.close()
      await system?.close()
      scratch.remove()
    })

    test('clusters, brokers and their configuration', async () => {
      // For its first seconds, until it has measured a rate, Apache's broker answers 28 with an exception.
      const clusters = () => it.json('cluster list')
      await expect
        .poll(clusters, { timeout: 20_000 })
        .toMatchObject([{ cluster: 'DefaultCluster', masters: 1, silent: 0 }])
      expect(await it.json('broker list')).toMatchObject([{ name: 'broker-a', address: system.address, error: '' }])
      expect((await it.json('broker describe broker-a')).runtime.brokerVersionDesc).toContain(
        version.replaceAll('.', '_'),
      )
      expect((await it.ok('broker config set broker-a fileReservedTime=48')).out).toContain('from 72 to 48')
      expect(await it.json('broker config get broker-a fileReservedTime')).toEqual({ fileReservedTime: '48' })
      const top = await it.ok('top --once')
      expect(top.out).toMatch(/1 broker, 0 silent[\s\S]*broker-a/)
      expect((await it.run('acl list')).status).toBe(1)
    })

    test('topics, messages, groups and offsets', async () => {
      await it.ok('topic create Mail -q 2')
      await it.ok('topic alter Mail -q 4')
      await it.ok('group create Readers --retry-max 5')
      await it.ok('group alter Readers --retry-queues 2')
      const { configs } = await it.json('group describe Readers')
      expect(configs).toMatchObject([{ retryMaxTimes: 5, retryQueueNums: 2, consumeEnable: true }])
      expect(await it.json('topic list Mail')).toMatchObject([{ readQueues: 4, writeQueues: 4, perm: 6 }])

      const sent = await it.json('message send Mail --body "hello there" --key order-17 --tag Paid -q 1')
      const shown = await it.json(`message show ${sent.offsetMsgId}`)
      expect(shown).toMatchObject({
        topic: 'Mail',
        body: 'hello there',
        msgId: sent.msgId,
        properties: { KEYS: 'order-17' },
      })
      await expect.poll(async () => (await it.json('message find Mail --key order-17')).length).toBe(1)
      expect(await it.json(`message show ${sent.msgId} -t Mail`)).toEqual(shown)
      expect(await it.json('message find Mail --from "5m ago" --tag Paid')).toEqual([shown])
      expect((await it.ok('message tail Mail --from "5m ago" -c 1')).out).toContain(
        'broker-a/1@0 #Paid [order-17] hello there',
      )
      expect((await it.json('topic describe Mail')).queues[1]).toMatchObject({ queueId: 1, min: 0, max: 1 })

      await it.ok('offset reset Readers -t Mail --to latest --yes')
      expect(await it.json('group describe Readers')).toMatchObject({ lag: 0 })
      await it.ok('group create Others')
      await it.ok('offset clone Readers Others -t Mail --yes')
      expect((await it.json('group describe Others')).queues).toContainEqual(
        expect.objectContaining({ topic: 'Mail', queueId: 1, consumerOffset: 1 }),
      )
      const online = await consumer(it, 'Readers', 'Mail', [1])
      try {
        const described = await it.json('group describe Readers')
        expect(described.online.consumers).toMatchObject([{ clientId: 'Readers-client' }])
        expect(described.queues.find(({ queueId }: { queueId: number }) => queueId === 1).owner).toMatchObject({
          cached: 3,
        })
        const reset = () => it.ok('offset reset Readers -t Mail --to earliest --yes')
        await reset()
        // 4.9 tells the consumers, once and in one direction, 5.x moves the offset itself.
        const told = async () => {
          if (!online.asked.some(({ code }) => code === 220)) await reset()
          return online.asked.map(({ code }) => code)
        }
        if (version === ORACLE) await expect.poll(told, { timeout: 20_000, interval: 2000 }).toContain(220)
        else expect(await it.json('group describe Readers')).toMatchObject({ lag: 1 })
      } finally {
        await online.close()
      }
      expect((await it.json('broker stats -t Mail')).map(({ group }: { group: string }) => group)).toContain('Readers')
    })

    test('NameServer: the three tables, configuration, KV, order', async () => {
      await it.ok('topic create Ordered -q 3 --order true')
      const [tables] = await it.json('namesrv tables Ordered')
      expect(tables.brokerAddrTable).toMatchObject([{ name: 'broker-a', id: 0, address: system.address }])
      expect(tables.topicQueueTable).toMatchObject([
        { topic: 'Ordered', route: { queues: [{ brokerName: 'broker-a', readQueues: 3 }] } },
      ])
      if (version === ORACLE) expect(tables.brokerLiveTable[0].dataVersion.counter).toBeGreaterThan(0)
      else expect(tables).toMatchObject({ isOf5: true, brokerLiveTable: [{ address: system.address }] })
      expect(await it.json('namesrv kv list')).toMatchObject([{ key: 'Ordered', value: 'broker-a:3' }])
      expect((await it.ok('namesrv config set orderMessageEnable=true')).out).toContain('from false to true')
      expect((await it.json('topic describe Ordered')).route.order).toBe('broker-a:3')
    })

    test('shrinks a topic and drains the broker', async () => {
      await it.ok('topic create Shrinks -q 4')
      await it.ok('group create Slow')
      await it.send('Shrinks', 3, 2)
      for (const queue of [0, 1, 2, 3]) await it.commit('Slow', 'Shrinks', queue, 0)
      const shrinking = it.ok(`topic shrink Shrinks -q 2 ${SHORT}`)
      await new Promise((resolve) => setTimeout(resolve, 300))
      expect(await it.json('topic list Shrinks')).toMatchObject([{ readQueues: 4, writeQueues: 2 }])
      await it.commit('Slow', 'Shrinks', 3, 2)
      await shrinking
      expect(await it.json('topic list Shrinks')).toMatchObject([{ readQueues: 2, writeQueues: 2 }])

      const drained = await it.json(`drain broker-a ${SHORT} --ignore-group Readers --ignore-group Others`)
      expect(drained).toMatchObject({ done: 'safe to stop', permission: 4 })
      expect((await it.json('topic describe Mail')).route.queues[0].perm & 2).toBe(0)
      await it.ok('drain broker-a --undo')
      expect((await it.json('topic describe Mail')).route.queues[0].perm & 2).toBe(2)
      await it.ok('group delete Slow --yes')
      await it.ok('topic delete Shrinks --yes')
      expect((await it.run('topic describe Shrinks')).error).toContain('has no route')
    })
  },
)
