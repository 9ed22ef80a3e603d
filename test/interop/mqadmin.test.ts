/** Apache's admin tool of 4.9 and 5.3 works with the NameServer and the broker. */
import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mqadmin } from '../../tools/apache/java.mjs'
import { type Acknowledged, producer } from './support/programs.ts'
import { apacheIsThere, CLIENTS, KIND, Scratch, type System, startSystem } from './support/systems.ts'

describe.skipIf(!apacheIsThere(...CLIENTS)).each(CLIENTS)(`mqadmin %s and the ${KIND} broker`, (version) => {
  const scratch = new Scratch()
  let system: System
  let sent: Acknowledged[]
  let out: Record<string, string>
  const five = version.startsWith('5')

  beforeAll(async () => {
    system = await startSystem({ scratch })
    const sending = producer(scratch, version, { namesrv: system.namesrv, topic: 'AdminTopic', count: 20, seed: 1 })
    sent = (await sending.done()).acknowledged
    const n = ['-n', system.namesrv]
    const commands: Record<string, string[]> = {
      clusterList: ['clusterList', ...n],
      topicList: ['topicList', ...n],
      topicRoute: ['topicRoute', ...n, '-t', 'AdminTopic'],
      topicStatus: ['topicStatus', ...n, '-t', 'AdminTopic'],
      updateTopic: ['updateTopic', ...n, '-b', system.address, '-t', 'MadeByAdmin', '-r', '3', '-w', '3'],
      sendMessage: ['sendMessage', ...n, '-t', 'MadeByAdmin', '-p', 'hello', '-k', 'admin-key', '-c', 'TagX'],
      queryMsgById: ['queryMsgById', ...n, '-i', sent[0].offsetMsgId, ...(five ? ['-t', 'AdminTopic'] : [])],
      queryMsgByKey: ['queryMsgByKey', ...n, '-t', 'AdminTopic', '-k', sent[1].key],
      topicStatusOfMade: ['topicStatus', ...n, '-t', 'MadeByAdmin'],
    }
    const outputs = await mqadmin({ version, folder: scratch.sub('admin'), commands: Object.values(commands) })
    out = Object.fromEntries(Object.keys(commands).map((name, index) => [name, outputs[index]]))
  })
  afterAll(async () => {
    await system?.close()
    scratch.remove()
    // queryMsgById writes the body to a fixed folder.
    const body = /Message Body Path:\s+(\S+)/.exec(out?.queryMsgById ?? '')?.[1]
    if (body !== undefined) rmSync(body, { force: true })
  })

  test('clusterList shows the broker with its address and a version that clients know', () => {
    expect(out.clusterList).toMatch(
      new RegExp(`DefaultCluster\\s+broker-a\\s+0\\s+${system.address}\\s+V[45]_\\d+_\\d+`),
    )
  })
  test('topicList shows the topic that a send created', () => {
    expect(out.topicList.split('\n')).toContain('AdminTopic')
  })
  test('topicRoute shows four queues to read and to write', () => {
    expect(out.topicRoute).toMatch(/"readQueueNums":\s*4/)
    expect(out.topicRoute).toMatch(/"writeQueueNums":\s*4/)
    expect(out.topicRoute).toMatch(/"perm":\s*6/)
    expect(out.topicRoute).toContain(system.address)
  })
  // 5.3.3 asks the broker for code 351, which no 4.9 broker has.
  test.skipIf(KIND === 'apache' && five)('topicStatus shows what each queue holds', () => {
    const rows = out.topicStatus.split('\n').filter((line) => line.startsWith('broker-a'))
    expect(rows.length).toBe(4)
    const count = rows
      .map((row) => row.trim().split(/\s+/))
      .reduce((sum, row) => sum + Number(row[3]) - Number(row[2]), 0)
    expect(count).toBe(20)
  })
  test('updateTopic creates a topic, and sendMessage sends to it', () => {
    expect(out.updateTopic).toContain('success')
    expect(out.sendMessage).toContain('SEND_OK')
  })
  test.skipIf(KIND === 'apache' && five)(
    'topicStatus of the created topic shows its three queues and the message',
    () => {
      const rows = out.topicStatusOfMade.split('\n').filter((line) => line.startsWith('broker-a'))
      expect(rows.length).toBe(3)
      expect(rows.some((row) => /\s0\s+1\s/.test(row))).toBe(true)
    },
  )
  test('queryMsgById shows the message', () => {
    expect(out.queryMsgById).toContain(sent[0].offsetMsgId)
    expect(out.queryMsgById).toMatch(/Topic:\s+AdminTopic/)
    expect(out.queryMsgById).toContain(`[${sent[0].key}]`)
    expect(out.queryMsgById).toContain('user=ümlaut')
  })
  test('queryMsgByKey finds the message', () => {
    expect(out.queryMsgByKey).toContain(sent[1].msgId)
  })
})
