/** Filters over the end of the broker, and the bits that dispatch keeps of them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { Engine } from '../../../src/broker/engine.ts'
import { ConsumerFilters } from '../../../src/broker/filter/index.ts'
import { LogReader } from '../../../src/store/commitlog/index.ts'
import { startTestBroker, type TestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { heartbeat } from '../rig.ts'

const TOPIC = 'T'
const BITS = { enablePropertyFilter: true, enableConsumeQueueExt: true, enableCalcFilterBitMap: true } as const
/** Of "G1#T" and "G2#T" with 112 bits: what RocketMQ 4.9.7 wrote. */
const G1 = '0000002000000100020000000000'
const G2 = '0000000001000080000080000000'
const NONE = '0'.repeat(28)

const published = vi.spyOn(Engine.prototype, 'setFilters')
const trusted = vi.spyOn(ConsumerFilters.prototype, 'trust')
const open: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

async function start(config = {}) {
  const broker = await startTestBroker({ config: { enablePropertyFilter: true, ...config } })
  open.push(() => broker.close())
  return { broker, client: connect(broker) }
}

function connect(broker: TestBroker): TestClient {
  const client = new TestClient(broker.address)
  open.push(() => client.close())
  return client
}

async function beat(client: TestClient, group: string, subString: string, subVersion = 100): Promise<void> {
  const subscription = { topic: TOPIC, subString, subVersion, expressionType: 'SQL92' }
  const body = heartbeat('client', { [group]: [subscription] })
  expect((await client.invoke(34, {}, Buffer.from(JSON.stringify(body)))).code).toBe(0)
}

async function send(broker: TestBroker, client: TestClient, ...values: string[]): Promise<void> {
  for (const a of values) await client.send(TOPIC, a, { properties: { a } })
  const { control } = broker.handle.engine
  await vi.waitFor(() => expect(control.load('dispatched')).toBe(control.load('appended')))
}

const pulled = async (client: TestClient, group: string, from = 0) => {
  const { code, messages } = await client.pull(TOPIC, 0, from, { group, registered: 0 })
  return code === 0 ? messages.map(({ body }) => body.toString()) : code
}

const filterFile = (broker: TestBroker, name = 'consumerFilter.json') => join(broker.folder, 'config', name)

test('consumerFilter.json is written every 10 s, and its predecessor kept', async () => {
  const { broker, client } = await start()
  await beat(client, 'G1', "a = '1'")
  expect(existsSync(filterFile(broker))).toBe(false)
  broker.advance(10_000)
  await vi.waitFor(() => expect(readFileSync(filterFile(broker), 'utf8')).toContain('"a = \'1\'"'))
  await beat(client, 'G1', "a = '2'", 200)
  broker.advance(10_000)
  await vi.waitFor(() => expect(readFileSync(filterFile(broker), 'utf8')).toContain('"a = \'2\'"'))
  expect(readFileSync(filterFile(broker, 'consumerFilter.json.bak'), 'utf8')).toContain('"a = \'1\'"')
})

test('a filter survives the broker, dead until its group comes, and is gone a day later', async () => {
  const { broker, client } = await start()
  await send(broker, client, '1', '2')
  await beat(client, 'G1', "a = '1'")
  await client.close()
  const again = await broker.restart()
  open.push(() => again.close())
  const text = () => JSON.parse(readFileSync(filterFile(again), 'utf8')).filterDataByTopic
  expect(text().T.groupFilterData.G1).toMatchObject({ expression: "a = '1'", clientVersion: 100 })
  const client2 = connect(again)
  expect(await pulled(client2, 'G1')).toBe(24)
  await beat(client2, 'G1', "a = '1'")
  expect(await pulled(client2, 'G1')).toEqual(['1'])
  again.advance(10_000)
  await vi.waitFor(() => expect(text().T.groupFilterData.G1.dead).toBe(false))
  await client2.close()
  await vi.waitFor(() => {
    again.advance(10_000)
    expect(text().T.groupFilterData.G1.dead).toBe(true)
  })
  again.advance('24h')
  again.advance(11_000)
  await vi.waitFor(() => expect(text()).toEqual({}))
})

function extUnits(broker: TestBroker): string[] {
  const folder = join(broker.folder, 'consumequeue_ext', TOPIC, '0')
  const units: string[] = []
  for (const name of readdirSync(folder).sort()) {
    const bytes = readFileSync(join(folder, name))
    for (let at = 0; bytes.readInt16BE(at) > 0; at += bytes.readInt16BE(at)) {
      units.push(bytes.toString('hex', at + 20, at + 20 + bytes.readInt16BE(at + 18)))
    }
  }
  return units
}

test('ConsumeQueueExt gets the bits that RocketMQ 4.9.7 writes for the same consumers and messages', async () => {
  const { broker, client } = await start({ ...BITS, mappedFileSizeConsumeQueueExt: 4096 })
  await send(broker, client, '1', '2')
  await beat(client, 'G1', "a = '1'")
  await beat(client, 'G2', "a = '2'")
  await settled()
  await send(broker, client, '1', '2', '3')
  // A group that is gone may come back to what is stored meanwhile.
  await client.invoke(35, { clientID: 'client', consumerGroup: 'G2' })
  await send(broker, client, '2')
  await beat(client, 'G2', "a = '2'")
  await beat(client, 'G1', "a = '2'", 200)
  await settled()
  await send(broker, client, '1', '2')
  const both = Buffer.from(G1, 'hex').map((byte, i) => byte | Buffer.from(G2, 'hex')[i])
  expect(extUnits(broker)).toEqual(['', '', G1, G2, NONE, G2, NONE, Buffer.from(both).toString('hex')])
  expect(await pulled(client, 'G1')).toEqual(['2', '2', '2', '2'])
  expect(await pulled(client, 'G2')).toEqual(['2', '2', '2', '2'])
})

/** Until dispatch has the filters and the network thread knows. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
  await vi.waitFor(() => expect(trusted.mock.lastCall?.[0]).toBe(published.mock.lastCall?.[0]))
}

test('a message without the bits of a filter is not read for it, one with them is', async () => {
  const { broker, client } = await start(BITS)
  await beat(client, 'G1', "a = '1'")
  await settled()
  await send(broker, client, '1', '2', '2', '1', '2')
  const resident = vi.spyOn(LogReader.prototype, 'resident')
  expect(await pulled(client, 'G1', 1)).toEqual(['1'])
  const asked = resident.mock.calls.length
  expect(await pulled(client, 'G1', 4)).toBe(20)
  expect(resident.mock.calls.length).toBe(asked)
  resident.mockRestore()
})

test('bits of a former process, and of RocketMQ, are not believed: they may be those of another expression', async () => {
  const { broker, client } = await start(BITS)
  await beat(client, 'G1', "a = '1'")
  await settled()
  await send(broker, client, '1', '2')
  await client.close()
  const again = await broker.restart()
  open.push(() => again.close())
  const client2 = connect(again)
  await beat(client2, 'G1', "a = '2'", 50)
  await settled()
  await send(again, client2, '1', '2')
  expect(await pulled(client2, 'G1')).toEqual(['2', '2'])
})

test('units go on behind those with bits after a restart without them, and the other way round', async () => {
  const { broker, client } = await start({ ...BITS, mappedFileSizeConsumeQueueExt: 4096 })
  await beat(client, 'G1', "a = '1'")
  await settled()
  await send(broker, client, ...Array.from({ length: 150 }, (_, i) => String(i % 3)))
  await client.close()
  const plain = await broker.restart({ ...BITS, enableCalcFilterBitMap: false, mappedFileSizeConsumeQueueExt: 4096 })
  open.push(() => plain.close())
  const client2 = connect(plain)
  await send(plain, client2, '1', '2')
  const units = extUnits(plain)
  expect(units.slice(0, 3)).toEqual([NONE, G1, NONE])
  expect(units).toHaveLength(152)
  expect(units.slice(150)).toEqual(['', ''])
  const found = await client2.pull(TOPIC, 0, 140, { expression: "a = '1'", type: 'SQL92' })
  expect(found.messages.map(({ queueOffset }) => queueOffset)).toEqual([142, 145, 148, 150])
})
