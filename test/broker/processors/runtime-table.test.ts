/** The runtime table (28) of a running broker has every key that administrators of 4.9 and 5.x read. */
import { expect, onTestFinished, test } from 'vitest'
import { startTestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { bodyOf } from '../rig.ts'

const LINES = ['sendThreadPoolQueue', 'pullThreadPoolQueue', 'queryThreadPoolQueue'].flatMap((line) => [
  `${line}Size`,
  `${line}Capacity`,
  `${line}HeadWaitTimeMills`,
])
const KEYS = `brokerVersionDesc brokerVersion msgPutTotalYesterdayMorning msgPutTotalTodayMorning msgPutTotalTodayNow
  msgGetTotalYesterdayMorning msgGetTotalTodayMorning msgGetTotalTodayNow EndTransactionQueueSize
  EndTransactionThreadPoolQueueCapacity dispatchBehindBytes pageCacheLockTimeMills earliestMessageTimeStamp
  startAcceptSendRequestTimeStamp remainTransientStoreBufferNumbs remainHowManyDataToFlush commitLogDirCapacity bootTimestamp
  runtime putMessageEntireTimeMax putMessageTimesTotal putMessageFailedTimes putMessageSizeTotal putMessageDistributeTime
  putMessageAverageSize dispatchMaxBuffer getMessageEntireTimeMax putTps getFoundTps getMissTps getTotalTps getTransferedTps
  getTransferredTps putLatency99 putLatency999 commitLogDiskRatio consumeQueueDiskRatio commitLogMinOffset
  commitLogMaxOffset brokerActive`.split(/\s+/)

test('every key of §16 is there, as text, and what is waiting has its capacity and its time', async () => {
  const broker = await startTestBroker()
  onTestFinished(() => broker.close())
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  await client.send('T', 'x')
  const { table } = bodyOf(await client.invoke(28)) as { table: Record<string, string> }
  for (const key of [...KEYS, ...LINES]) expect(table[key], key).toBeTypeOf('string')
  expect(Object.keys(table).some((key) => key.startsWith('commitLogDiskRatio_/'))).toBe(true)
  expect(table).toMatchObject({
    sendThreadPoolQueueCapacity: '10000',
    pullThreadPoolQueueCapacity: '100000',
    queryThreadPoolQueueCapacity: '20000',
    EndTransactionThreadPoolQueueCapacity: '100000',
    sendThreadPoolQueueHeadWaitTimeMills: '0',
    pageCacheLockTimeMills: '0',
  })
})
