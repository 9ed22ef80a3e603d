/** disableConsumeIfConsumerReadSlowly: looked at every three minutes of the broker's clock, for groups that are online. */
import { expect, onTestFinished, test, vi } from 'vitest'
import { checkSlowConsumers } from '../../src/broker/slow-consumers.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { TestClient } from '../support/client.ts'
import { bodyOf, heartbeat, rig, subscription } from './rig.ts'

async function filled() {
  const rigged = rig()
  const { state, store, ask, log } = rigged
  for (let i = 0; i < 50; i++) store.put('T', 0, i)
  for (const [group, offset] of [
    ['Near', 48],
    ['Far', 10],
    ['Offline', 0],
    ['Elsewhere', 0],
    ['Done', 50],
  ] as const) {
    await ask(200, undefined, { groupName: group })
    state.offsets.commit(group, 'T', 0, offset, 'h')
    const topic = group === 'Elsewhere' ? 'U' : 'T'
    if (group !== 'Offline') {
      await ask(34, undefined, heartbeat(group, { [group]: [subscription(topic)] }), { from: rigged.connect() })
    }
  }
  const disabled = () =>
    [...state.groups.values()].filter((group) => !group.consumeEnable).map((group) => group.groupName)
  const check = (isOn: boolean) => {
    const settings = { disableConsumeIfConsumerReadSlowly: isOn, consumerFallbehindThreshold: 2000 }
    return checkSlowConsumers({ ...state, settings, control: { load: () => store.logMax() }, store, log })
  }
  return { ...rigged, disabled, check }
}

test('a group that is online and too many bytes behind may not consume; the log says which queue', async () => {
  const { check, disabled, log, state } = await filled()
  await check(false)
  expect(disabled()).toEqual([])
  await check(true)
  expect(disabled()).toEqual(['Far'])
  expect(log.lines.filter((line) => line.startsWith('warn'))).toEqual([
    expect.stringContaining('group Far is 4000 bytes behind on T queue 0'),
  ])
  await check(true)
  expect(log.lines.filter((line) => line.includes('group Far is'))).toHaveLength(1)
  await state.groups.put({ ...state.groups.get('Far')!, consumeEnable: true })
  await check(true)
  expect(disabled()).toEqual(['Far'])
})

test('in a running broker its pulls are refused from the next look on, and an administrator lets it go on', async () => {
  const config = { disableConsumeIfConsumerReadSlowly: true, consumerFallbehindThreshold: 10_000 }
  const broker = await startTestBroker({ config })
  onTestFinished(() => broker.close())
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  const json = (value: unknown) => Buffer.from(JSON.stringify(value))
  for (let i = 0; i < 40; i++) await client.send('T', Buffer.alloc(1000))
  const beat = async () => {
    await vi.waitFor(async () =>
      expect((await client.invoke(34, {}, json(heartbeat('c', { CG: [subscription('T')] })))).code).toBe(0),
    )
  }
  await beat()
  await client.invoke(15, { consumerGroup: 'CG', topic: 'T', queueId: '0', commitOffset: '1' })
  broker.advance('100s')
  await beat()
  expect((await client.pull('T', 0, 1)).code).toBe(0)
  broker.advance('90s')
  await vi.waitFor(async () => expect((await client.pull('T', 0, 1)).code).toBe(16), 10_000)
  expect(bodyOf(await client.invoke(352, { group: 'CG' }))).toMatchObject({ consumeEnable: false })
  await client.invoke(200, {}, json({ groupName: 'CG', consumeEnable: true }))
  expect((await client.pull('T', 0, 1)).code).toBe(0)
})
