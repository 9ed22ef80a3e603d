/** Half messages, their ends, and the broker's questions. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type LocalTransactionState,
  type MessageExt,
  Producer,
  type ProducerOptions,
} from '../../../src/client/index.ts'
import { startTestBroker, type TestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { eventually } from '../support.ts'

let broker: TestBroker
let reader: TestClient

beforeAll(async () => {
  broker = await startTestBroker({ config: { transactionTimeOut: 1000, transactionCheckInterval: 1000 } })
  reader = new TestClient(broker.address)
})
afterAll(async () => {
  await reader.close()
  await broker.close()
})

const options = (more: Partial<ProducerOptions> = {}): ProducerOptions => ({
  nameserver: broker.namesrv,
  group: 'tx',
  checkLocalTransaction: () => 'UNKNOW',
  ...more,
})

async function bodies(topic: string): Promise<string[]> {
  const queues = await Promise.all([0, 1, 2, 3].map((queueId) => reader.drain(topic, queueId)))
  return queues.flat().map(({ body }) => Buffer.from(body).toString())
}

test('what is committed is seen, what is rolled back is not', async () => {
  await using producer = new Producer(options())
  await producer.start('tx-plain')
  const seen: string[] = []
  for (const state of ['COMMIT_MESSAGE', 'ROLLBACK_MESSAGE'] as const) {
    const result = await producer.sendInTransaction({ topic: 'tx-plain', body: state }, async (message, half) => {
      seen.push(`${message.body} ${half.sendStatus}`)
      return state
    })
    expect(result).toMatchObject({ localTransactionState: state, localException: undefined })
  }
  expect(seen).toEqual(['COMMIT_MESSAGE SEND_OK', 'ROLLBACK_MESSAGE SEND_OK'])
  await eventually(async () => (await bodies('tx-plain')).length === 1)
  expect(await bodies('tx-plain')).toEqual(['COMMIT_MESSAGE'])
})

test('a local transaction that throws, or says nothing, is asked about', async () => {
  const asked: string[] = []
  const answers: Record<string, LocalTransactionState> = { throws: 'COMMIT_MESSAGE', silent: 'ROLLBACK_MESSAGE' }
  const checkLocalTransaction = async (message: MessageExt) => {
    asked.push(`${message.topic} ${message.body} ${message.msgId} ${message.isHalf} ${message.transactionId}`)
    return answers[String(message.body)]
  }
  await using producer = new Producer(options({ group: 'tx-asked', checkLocalTransaction }))
  await producer.start('tx-asked')
  const failed = await producer.sendInTransaction({ topic: 'tx-asked', body: 'throws' }, () => {
    throw new Error('no database')
  })
  expect(failed).toMatchObject({ localTransactionState: 'UNKNOW', localException: new Error('no database') })
  const silent = await producer.sendInTransaction({ topic: 'tx-asked', body: 'silent' }, () => undefined)
  await eventually(() => {
    broker.advance('2s')
    return asked.length >= 2
  })
  expect(asked.slice(0, 2).sort()).toEqual(
    [`silent ${silent.msgId}`, `throws ${failed.msgId}`].map((one) => `tx-asked ${one} false ${one.split(' ')[1]}`),
  )
  await eventually(async () => (await bodies('tx-asked')).length === 1)
  expect(await bodies('tx-asked')).toEqual(['throws'])
})

test('a check that throws is asked again; the group decides who is asked', async () => {
  let times = 0
  await using other = new Producer(
    options({ group: 'tx-other', instanceName: 'both', checkLocalTransaction: () => expect.unreachable() }),
  )
  await using producer = new Producer(
    options({
      group: 'tx-again',
      instanceName: 'both',
      checkLocalTransaction: () => {
        times += 1
        if (times === 1) throw new Error('not now')
        return 'COMMIT_MESSAGE'
      },
    }),
  )
  expect(other.clientId).toBe(producer.clientId)
  await producer.start('tx-again')
  await producer.sendInTransaction({ topic: 'tx-again', body: 'x' }, () => 'UNKNOW')
  await eventually(async () => {
    broker.advance('2s')
    return (await bodies('tx-again')).length === 1
  }, 10_000)
  // On a busy machine the clock is moved on before the second answer is stored, and the broker asks once more.
  expect(times).toBeGreaterThanOrEqual(2)
})

test('a transaction needs a check listener; a state that is none is unknown', async () => {
  const { checkLocalTransaction: _, ...without } = options()
  await using bare = new Producer(without)
  await expect(bare.sendInTransaction({ topic: 't', body: 'x' }, () => 'COMMIT_MESSAGE')).rejects.toMatchObject({
    code: 'BAD_LISTENER',
    hint: expect.stringContaining('checkLocalTransaction'),
  })
  await using producer = new Producer(options({ group: 'tx-state' }))
  await producer.start('tx-state')
  const result = await producer.sendInTransaction(
    { topic: 'tx-state', body: 'x' },
    () => 'COMMITTED' as LocalTransactionState,
  )
  expect(result).toMatchObject({ localTransactionState: 'UNKNOW', localException: { code: 'BAD_LISTENER' } })
})
