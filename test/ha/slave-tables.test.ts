/** What a slave copies beside the log, when it cannot, and what its clients have committed there. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startBrokerProcess } from '../faults/support/broker-process.ts'
import { scratchFolder } from '../store/scratch.ts'
import { TestClient } from '../support/client.ts'
import { end, haAddress, type Node, sendMany, startMaster, startSlave, TINY, until } from './support.ts'

const OK = 0
const SYNC = '11s'

async function offsetOf(client: TestClient, queueId = 0): Promise<number> {
  const ext = { consumerGroup: 'G', topic: 'T', queueId: String(queueId), setZeroIfNotFound: 'false' }
  return Number((await client.invoke(14, ext)).ext?.offset ?? -1)
}

function commit(client: TestClient, offset: number, queueId = 0) {
  return client.invoke(15, { consumerGroup: 'G', topic: 'T', queueId: String(queueId), commitOffset: String(offset) })
}

test('a master with access rules: the log says what to write where, once; then the tables come', async () => {
  const rules = scratchFolder()
  const path = join(rules, 'plain_acl.yml')
  writeFileSync(path, 'globalWhiteRemoteAddresses: []\naccounts:\n- accessKey: application\n  secretKey: 12345678\n')
  const master = await startMaster({ brokerRole: 'ASYNC_MASTER', aclEnable: true, aclConfigPath: rules })
  const slave = await startSlave(master)
  await until(() => slave.lines.of('error').length > 0)
  for (let i = 0; i < 3; i += 1) slave.broker.advance(SYNC)
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(slave.lines.of('error')).toEqual([
    expect.stringMatching(
      /checks access \(aclEnable\) .*\(127\.0\.0\.1\), is in globalWhiteRemoteAddresses of .*plain_acl\.yml/,
    ),
  ])
  expect(slave.lines.of('warn').filter((line) => line.startsWith('request'))).toEqual([])
  writeFileSync(path, readFileSync(path, 'utf8').replace('[]', '[127.0.0.1]'))
  await until(async () => (await master.client.send('T', 'x')).code === OK)
  await until(async () => {
    slave.broker.advance(SYNC)
    return (await slave.client.pull('T', 0, 0)).code === OK
  })
  expect(slave.lines.of('info').some((line) => line.includes('is answered again'))).toBe(true)
})

test('haMasterAddress without a NameServer that knows the master: the log is copied, and a line says what is not', async () => {
  const master = await startMaster({ brokerRole: 'ASYNC_MASTER' })
  await sendMany(master, 10)
  const elsewhere = await startMaster({ brokerName: 'somebody-else' })
  const slave = await startSlave(elsewhere, { haMasterAddress: haAddress(master), brokerName: 'pair' })
  await until(() => end(slave) === end(master))
  for (let i = 0; i < 5; i += 1) slave.broker.advance(SYNC)
  const lines = slave.lines.of('warn').filter((line) => line.startsWith('only the log is copied'))
  expect(lines).toEqual([expect.stringContaining('where the master of broker pair in cluster DefaultCluster is')])
})

test('offsets committed on a slave while its master is away outlive kill -9 of both, and go back to it', async () => {
  const folders = { master: scratchFolder(), slave: scratchFolder() }
  // The NameServer of its own stays when the master goes.
  const names = await startMaster({ brokerName: 'names-only' })
  const { namesrv } = names.broker
  const common = { ...TINY, brokerName: 'pair', nameServerInside: 'never' as const, namesrvAddr: namesrv }
  const masterOf = async () => {
    const broker = await startBrokerProcess({
      folder: folders.master,
      config: { ...common, brokerRole: 'ASYNC_MASTER' },
    })
    onTestFinished(() => void broker.kill())
    const client = new TestClient(broker.address)
    onTestFinished(() => client.close())
    return { broker, client }
  }
  const master = await masterOf()
  for (let i = 0; i < 40; i += 1) await master.client.send('T', `${i}`, { queueId: i % 4 })
  await commit(master.client, 3)
  await commit(master.client, 5, 1)
  const slave = await startBrokerProcess({
    folder: folders.slave,
    config: { ...common, brokerRole: 'SLAVE', brokerId: 1, flushConsumerOffsetInterval: 100 },
  })
  onTestFinished(() => void slave.kill())
  const there = new TestClient(slave.address)
  onTestFinished(() => there.close())
  await until(async () => (await offsetOf(there)) === 3, 20_000)
  await master.broker.stop()
  await commit(there, 9)
  const own = join(folders.slave, 'basalt', 'slaveOffsets.json')
  await until(() => {
    try {
      return readFileSync(own, 'utf8').includes('"0": 9')
    } catch {
      return false
    }
  })
  await slave.kill()
  const again = await masterOf()
  await commit(again.client, 7, 1)
  const follower = await startSlave({ broker: { namesrv } } as Node, { brokerName: 'pair' }, folders.slave)
  await until(async () => {
    follower.broker.advance(SYNC)
    return (await offsetOf(again.client)) === 9
  }, 20_000)
  await until(async () => (await offsetOf(follower.client, 1)) === 7)
  expect(await offsetOf(again.client, 1)).toBe(7)
  await until(() => !readFileSync(own, 'utf8').includes('"0"'))
  // An administrator takes the group back: that counts, also when the slave starts once more.
  await commit(again.client, 1)
  await follower.close()
  const last = await startSlave({ broker: { namesrv } } as Node, { brokerName: 'pair' }, folders.slave)
  await until(async () => {
    last.broker.advance(SYNC)
    return (await offsetOf(last.client)) === 1
  }, 20_000)
  expect(await offsetOf(again.client)).toBe(1)
})
