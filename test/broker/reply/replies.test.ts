/**
 * Replies to requests, through sockets: what reaches the requester, what is answered, what is stored. The expected texts and
 * headers are what Apache's 4.9.7 broker was seen to send.
 */
import { test as base, expect } from 'vitest'
import { RemotingClient, type RemotingCommand, request } from '../../../src/remoting/index.ts'
import { startTestBroker, type TestBroker } from '../../../src/testing/index.ts'
import { allRecords } from '../transaction/log-records.ts'

const TOPIC = 'DefaultCluster_REPLY_TOPIC'
const ME = '192.0.2.2@requester'
const PROPERTIES = {
  ...{ CORRELATION_ID: 'cid', REPLY_TO_CLIENT: ME, TTL: '3000', MSG_TYPE: 'reply', WAIT: 'true', UNIQ_KEY: '7F000001' },
}
const textOf = (properties: Record<string, string>) =>
  Object.entries(properties)
    .map(([name, value]) => `${name}\u0001${value}`)
    .join('\u0002')

class Peer {
  readonly pushed: RemotingCommand[] = []
  /** Of the next pushes; undefined: none at all. */
  code: number | undefined = 0
  private readonly address: string
  private readonly remoting = new RemotingClient({
    onRequest: (command) => {
      this.pushed.push(command)
      if (this.code === undefined) return undefined
      return { ...request(this.code), opaque: command.opaque, flag: 1 }
    },
  })

  constructor(address: string) {
    this.address = address
  }

  invoke(code: number, ext: Record<string, string>, body = ''): Promise<RemotingCommand> {
    return this.remoting.invoke(this.address, request(code, ext, Buffer.from(body)), 15_000)
  }

  async heartbeat(clientID = ME): Promise<void> {
    const body = { clientID, producerDataSet: [{ groupName: 'PG' }], consumerDataSet: [] }
    await this.invoke(34, {}, JSON.stringify(body))
  }

  /** SEND_REPLY_MESSAGE_V2. */
  reply(properties: Record<string, string> = PROPERTIES, more: Record<string, string> = {}, body = 'hello') {
    const ext = { a: 'PG', b: TOPIC, c: 'TBW102', d: '4', e: '0', f: '0', g: '1795713736501', h: '7' }
    return this.invoke(325, { ...ext, i: textOf(properties), j: '0', k: 'false', m: 'false', ...more }, body)
  }

  close(): Promise<void> {
    return this.remoting.close()
  }
}

interface Fixtures {
  broker: TestBroker
  requester: Peer
  replier: Peer
}

const test = base.extend<Fixtures>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads which fixtures a fixture needs from this pattern
  broker: async ({}, use) => {
    await using broker = await startTestBroker()
    await use(broker)
  },
  requester: async ({ broker }, use) => {
    const peer = new Peer(broker.address)
    await use(peer)
    await peer.close()
  },
  replier: async ({ broker }, use) => {
    const peer = new Peer(broker.address)
    await use(peer)
    await peer.close()
  },
})

test('a reply reaches its requester with Apache’s header, is stored, and answered 0', async ({
  broker,
  requester,
  replier,
}) => {
  await requester.heartbeat()
  const answer = await replier.reply()
  expect([answer.code, answer.remark]).toEqual([0, undefined])
  expect(answer.ext).toEqual({
    ...{ msgId: expect.stringMatching(/^7F000001[\dA-F]{8}0{16}$/), queueId: '0', queueOffset: '0' },
    ...{ MSG_REGION: 'DefaultRegion', TRACE_ON: 'true' },
  })
  const [{ code, flag, ext, body }] = requester.pushed
  expect([code, flag, Buffer.from(body ?? []).toString()]).toEqual([326, 0, 'hello'])
  const pushed = ext?.properties ?? ''
  expect(ext).toEqual({
    ...{ producerGroup: 'PG', topic: TOPIC, defaultTopic: 'TBW102', defaultTopicQueueNums: '4', queueId: '0' },
    ...{ sysFlag: '0', flag: '7', bornTimestamp: '1795713736501', reconsumeTimes: '0', unitMode: 'false' },
    bornHost: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    storeHost: broker.address,
    storeTimestamp: expect.stringMatching(/^\d{13}$/),
    properties: pushed,
  })
  // The order is that of Java's map, as recorded.
  const time = pushed.slice('PUSH_REPLY_TIME='.length).split('\u0002')[0]
  expect(time).toMatch(/^\d{13}$/)
  expect(pushed).toBe(
    textOf({
      ...{ PUSH_REPLY_TIME: time, REPLY_TO_CLIENT: ME, MSG_TYPE: 'reply', UNIQ_KEY: '7F000001' },
      ...{ TTL: '3000', WAIT: 'true', CORRELATION_ID: 'cid' },
    }),
  )
  const [stored] = allRecords(broker.folder)
  expect(stored).toMatchObject({ topic: TOPIC, queueId: 0, queueOffset: 0, flag: 7, sysFlag: 0 })
  expect(stored.propertiesText).toBe(textOf(PROPERTIES))
  expect(Buffer.from(stored.body).toString()).toBe('hello')
})

test('the long names of 324 say the same', async ({ requester, replier }) => {
  await requester.heartbeat()
  const answer = await replier.invoke(
    324,
    {
      ...{ producerGroup: 'PG', topic: TOPIC, defaultTopic: 'TBW102', defaultTopicQueueNums: '4', queueId: '-1' },
      ...{ sysFlag: '1', bornTimestamp: '1795713736501', flag: '0', properties: textOf(PROPERTIES) },
    },
    'hello',
  )
  expect(answer).toMatchObject({ code: 0, ext: { queueId: '0', queueOffset: '0' } })
  // The queue that the replier named, and its compression.
  expect(requester.pushed[0].ext).toMatchObject({ queueId: '-1', sysFlag: '1' })
})

test('a reply that reaches nobody is answered 1 with the reason, and stored all the same', async ({
  requester,
  replier,
}) => {
  await requester.heartbeat()
  const nobody = await replier.reply({ ...PROPERTIES, REPLY_TO_CLIENT: 'you@2' })
  const unaddressed = await replier.reply({ WAIT: 'true' })
  const empty = await replier.reply({}, {}, '')
  requester.code = 1
  const refused = await replier.reply()
  await requester.close()
  await expect
    .poll(async () => (await replier.reply()).remark)
    .toBe(`push reply message fail, channel of <${ME}> not found.`)
  const answers = [nobody, unaddressed, empty, refused]
  expect(answers.map(({ code }) => code)).toEqual([1, 1, 1, 1])
  expect(answers.map(({ remark }) => remark)).toEqual([
    'push reply message fail, channel of <you@2> not found.',
    'reply message properties[REPLY_TO_CLIENT] is null',
    'reply message properties[REPLY_TO_CLIENT] is null',
    `push reply message to ${ME}fail.`,
  ])
  expect(answers.map(({ ext }) => ext?.queueOffset)).toEqual(['0', '1', '2', '3'])
  expect(answers.every(({ ext }) => ext?.msgId !== '0')).toBe(true)
})

test('a requester that goes away before it answers costs its replier no wait', async ({ requester, replier }) => {
  await requester.heartbeat()
  requester.code = undefined
  const answer = replier.reply()
  await expect.poll(() => requester.pushed.length).toBe(1)
  await requester.close()
  expect(await answer).toMatchObject({ code: 1, remark: `push reply message to ${ME}fail.` })
})

test('checks as for a send: unknown topic 17, bad queue 1, bad name 1, forbidden 16; nobody is pushed to', async ({
  broker,
  requester,
  replier,
}) => {
  await requester.heartbeat()
  const answers = [
    await replier.reply(PROPERTIES, { b: 'Nowhere', c: 'NoDefault' }),
    await replier.reply(PROPERTIES, { e: '5' }),
    await replier.reply(PROPERTIES, { b: '../../x' }),
    await replier.reply(PROPERTIES, { b: 'RMQ_SYS_TRANS_HALF_TOPIC' }),
  ]
  expect(answers.map(({ code }) => code)).toEqual([17, 1, 1, 16])
  for (const { ext } of answers) expect(ext).toEqual({ MSG_REGION: 'DefaultRegion', TRACE_ON: 'true' })
  expect(await replier.invoke(325, { a: 'PG' })).toMatchObject({ code: 1 })
  expect(requester.pushed).toEqual([])
  expect(allRecords(broker.folder)).toEqual([])
})

test('storeReplyMessageEnable=false: pushed, not stored, msgId 0', async () => {
  await using broker = await startTestBroker({ config: { storeReplyMessageEnable: false } })
  const [requester, replier] = [new Peer(broker.address), new Peer(broker.address)]
  await requester.heartbeat()
  expect(await replier.reply()).toMatchObject({ code: 0, ext: { msgId: '0', queueOffset: '0', queueId: '0' } })
  expect(requester.pushed.length).toBe(1)
  expect(allRecords(broker.folder)).toEqual([])
  await Promise.all([requester.close(), replier.close()])
})

test('a reply that cannot be stored is pushed and answered 0, without an id', async ({ requester, replier }) => {
  await requester.heartbeat()
  const answer = await replier.reply({ ...PROPERTIES, big: 'b'.repeat(32_767) })
  expect(answer).toMatchObject({ code: 0, ext: { msgId: '0', queueOffset: '0' } })
  expect(requester.pushed.length).toBe(1)
})

test('many requesters: each gets its own replies', async ({ broker, replier }) => {
  const requesters = Array.from({ length: 20 }, () => new Peer(broker.address))
  await Promise.all(requesters.map((one, i) => one.heartbeat(`r@${i}`)))
  const replies = Array.from({ length: 400 }, (_, i) =>
    replier.reply({ ...PROPERTIES, REPLY_TO_CLIENT: `r@${i % 20}`, CORRELATION_ID: String(i) }, {}, `to ${i % 20}`),
  )
  expect(new Set((await Promise.all(replies)).map(({ code }) => code))).toEqual(new Set([0]))
  for (const [i, { pushed }] of requesters.entries()) {
    expect(pushed.map(({ body }) => Buffer.from(body ?? []).toString())).toEqual(Array(20).fill(`to ${i}`))
  }
  await Promise.all(requesters.map((one) => one.close()))
})
