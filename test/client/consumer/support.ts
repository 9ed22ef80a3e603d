/** What tests of consumers share: messages to consume, consumers that note what they get. */
import { onTestFinished } from 'vitest'
import { PushConsumer, type PushConsumerOptions } from '../../../src/client/consumer/index.ts'
import type { MessageExt } from '../../../src/client/index.ts'
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '../../../src/testing/index.ts'
import { type SendOptions, TestClient } from '../../support/client.ts'

export const texts = (count: number, prefix = 'm'): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}-${i}`)

export async function testBroker(options: TestBrokerOptions = {}): Promise<TestBroker> {
  const broker = await startTestBroker(options)
  onTestFinished(() => broker.close())
  return broker
}

/** Sends texts, message i to queue i % queues; keys and ids are the texts themselves. */
export async function send(
  broker: TestBroker,
  topic: string,
  bodies: readonly string[],
  more: SendOptions = {},
  queues = 4,
): Promise<void> {
  const client = new TestClient(broker.address)
  try {
    for (const [i, text] of bodies.entries()) {
      const properties = { KEYS: text, UNIQ_KEY: text, ...more.properties }
      const { code, remark } = await client.send(topic, text, { queueId: i % queues, ...more, properties })
      if (code !== 0) throw new Error(`send was answered with ${code}: ${remark}`)
    }
  } finally {
    await client.close()
  }
}

const inOrder = () => undefined
/** For `consume`: in order. */
export const orderly = { orderlyListener: inOrder }

export interface Noted {
  readonly consumer: PushConsumer
  readonly messages: MessageExt[]
  /** Texts, in the order in which the listener got them. */
  readonly got: string[]
}

/** A running consumer of topic T that notes what it gets; `then` decides over each batch. It is closed with the test. */
export async function consume(
  broker: TestBroker,
  options: Partial<PushConsumerOptions> = {},
  then: (messages: MessageExt[]) => unknown = () => undefined,
): Promise<Noted> {
  const noted = { messages: [] as MessageExt[], got: [] as string[] }
  const listener = async (messages: MessageExt[]) => {
    noted.messages.push(...messages)
    noted.got.push(...messages.map(({ body }) => body.toString()))
    return (await then(messages)) as undefined
  }
  const isOwn =
    options.listener !== undefined || (options.orderlyListener !== undefined && options.orderlyListener !== inOrder)
  const listeners = isOwn ? {} : options.orderlyListener === inOrder ? { orderlyListener: listener } : { listener }
  const consumer = new PushConsumer({
    nameserver: broker.namesrv,
    group: 'G',
    clientIP: '127.0.0.1',
    subscriptions: { T: '*' },
    consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
    ...options,
    ...listeners,
  })
  onTestFinished(() => consumer.close())
  await consumer.start()
  return { consumer, ...noted }
}
