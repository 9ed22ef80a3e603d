/** `basaltmq admin topic …` and `group …` against a broker. */
import { describe, expect, test } from 'vitest'
import { consumer, rig } from './rig.ts'

const it = rig()

describe('admin topic', () => {
  test('creates, lists, describes, alters and deletes a topic', async () => {
    expect((await it.ok('topic create Made -q 4 --perm r')).out).toMatch(/Made +broker-a +4 +4 +r-/)
    expect(await it.json('topic list Made')).toMatchObject([{ topic: 'Made', readQueues: 4, writeQueues: 4, perm: 4 }])
    await it.ok('topic alter Made --perm rw --write-queues 3')
    expect(await it.json('topic list Made')).toMatchObject([{ readQueues: 4, writeQueues: 3, perm: 6 }])
    await it.send('Made', 1, 3)
    const described = await it.json('topic describe Made')
    expect(described.route.queues).toMatchObject([{ brokerName: 'broker-a', readQueues: 4, writeQueues: 3, perm: 6 }])
    expect(described.queues.map(({ queueId, max }: { queueId: number; max: number }) => [queueId, max])).toEqual([
      [0, 0],
      [1, 3],
      [2, 0],
    ])
    expect((await it.ok('topic delete Made --yes')).out).toContain('topic Made with 3 messages on broker-a deleted')
    expect((await it.run('topic describe Made')).error).toMatch(/topic Made has no route.*topic create/)
  })

  test('a dry run changes nothing', async () => {
    await it.ok('topic create Kept -q 2')
    for (const line of ['topic alter Kept -q 1', 'topic delete Kept', 'topic create Never', 'topic shrink Kept -q 1']) {
      expect((await it.ok(`${line} --dry-run`)).out).toContain('would')
    }
    expect(await it.json('topic list')).toMatchObject(
      expect.arrayContaining([expect.objectContaining({ topic: 'Kept', readQueues: 2 })]),
    )
    expect((await it.ok('topic list Never')).out).toBe('no such topic\n')
  })

  test('what destroys is refused without a terminal, asked for on one, and done with --yes', async () => {
    await it.ok('topic create Asked')
    const refused = await it.run('topic delete Asked')
    expect(refused).toMatchObject({ status: 2, out: '' })
    expect(refused.error).toMatch(/topic Asked with 0 messages on broker-a will be deleted.*--yes/)
    const questions: string[] = []
    const answer = (text: string) =>
      it.run('topic delete Asked', (world) => {
        const ask = async (question: string) => {
          questions.push(question)
          return text
        }
        world.terminal = { columns: 80, rows: 24, ask }
      })
    expect(await answer('no')).toMatchObject({ status: 2, error: 'basaltmq: nothing was done\n' })
    expect(await it.json('topic list Asked')).toHaveLength(1)
    expect(await answer('yes')).toMatchObject({ status: 0 })
    expect(questions).toHaveLength(2)
    expect(await it.json('topic list Asked')).toHaveLength(0)
  })

  test('a topic is ordered by the KV table of the NameServers', async () => {
    await it.ok('topic create Ordered -q 4 --order true')
    expect(await it.json('namesrv kv list')).toMatchObject([{ key: 'Ordered', value: 'broker-a:4' }])
    await it.ok('topic alter Ordered --order false')
    expect(await it.json('namesrv kv list')).toEqual([])
  })

  test("mqadmin's names and arguments that are missing", async () => {
    expect((await it.ok('topicList')).out).toBe((await it.ok('topic list')).out)
    expect((await it.ok('topic list --help')).out).toContain('In mqadmin: topicList')
    expect(await it.run('topic create')).toMatchObject({ status: 2 })
    expect((await it.run('topic create T -q many')).error).toContain('--queues is "many", expected a whole number')
    expect((await it.run('topic lst')).error).toContain('Did you mean list?')
    await it.ok('topic create Twice')
    expect((await it.run('topic create Twice')).error).toMatch(/there already on broker-a.*topic alter/)
    expect((await it.run('topic create T --broker nobody')).error).toMatch(
      /no broker is called "nobody"; brokers are broker-a/,
    )
  })

  test('shrink takes write queues, waits for every group and for quiet, then takes read queues', async () => {
    await it.ok('topic create Shrinks -q 4')
    await it.ok('group create Slow')
    for (const queue of [0, 3]) await it.send('Shrinks', queue, 5)
    for (const queue of [0, 1, 2, 3]) await it.commit('Slow', 'Shrinks', queue, queue === 3 ? 2 : 0)
    const short = '--every 20ms --quiet 100ms'
    const first = await it.run(`topic shrink Shrinks -q 2 ${short} --wait 300ms`)
    expect(first.status).toBe(1)
    expect(first.error).toMatch(/not drained yet: broker-a\/3: Slow has 3 to consume/)
    // Only writing stopped: what is in queue 3 can still be read.
    expect(await it.json('topic list Shrinks')).toMatchObject([{ readQueues: 4, writeQueues: 2 }])
    const again = it.ok(`topic shrink Shrinks -q 2 ${short} --wait 20s`)
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(await it.json('topic list Shrinks')).toMatchObject([{ readQueues: 4 }])
    await it.commit('Slow', 'Shrinks', 3, 5)
    expect((await again).out).toContain('Shrinks has 2 queues on broker-a')
    expect(await it.json('topic list Shrinks')).toMatchObject([{ readQueues: 2, writeQueues: 2 }])
  })

  test('shrink refuses to strand messages that no group consumes', async () => {
    await it.ok('topic create Unread -q 4')
    await it.send('Unread', 3, 4)
    expect((await it.run('topic shrink Unread -q 1')).error).toContain(
      '4 messages in the queues that go will not be read',
    )
    expect(await it.json('topic list Unread')).toMatchObject([{ writeQueues: 4 }])
  })
})

describe('admin group', () => {
  test('creates, alters and deletes a group; what is not given stays', async () => {
    await it.ok('group create Payments --retry-max 5')
    await it.ok('group alter Payments --consume false')
    const { configs } = await it.json('group describe Payments')
    expect(configs).toMatchObject([{ broker: 'broker-a', retryMaxTimes: 5, consumeEnable: false, retryQueueNums: 1 }])
    expect((await it.ok('group describe Payments')).out).toContain('refuses its pulls')
    expect((await it.run('group alter Payments')).error).toContain('nothing to change')
    expect((await it.run('group delete Payments')).status).toBe(2)
    expect((await it.ok('group delete Payments --yes')).out).toContain('group Payments deleted')
    expect((await it.run('group describe Payments')).error).toContain('no broker knows group Payments')
  })

  test('shows lag, consumers and who owns which queue', async () => {
    await it.ok('topic create Watched -q 2')
    await it.send('Watched', 0, 6)
    await it.send('Watched', 1, 2)
    await it.commit('Watchers', 'Watched', 0, 4)
    await it.commit('Watchers', 'Watched', 1, 2)
    const online = await consumer(it, 'Watchers', 'Watched', [0])
    try {
      const described = await it.json('group describe Watchers')
      expect(described).toMatchObject({
        lag: 2,
        online: { messageModel: 'CLUSTERING', consumers: [{ clientId: 'Watchers-client' }] },
      })
      const [first, second] = described.queues.filter(({ topic }: { topic: string }) => topic === 'Watched')
      expect(first).toMatchObject({
        brokerOffset: 6,
        consumerOffset: 4,
        owner: { clientId: 'Watchers-client', cached: 3 },
      })
      expect(second.owner).toBeUndefined()
      const row = (await it.json('group list Watchers'))[0]
      expect(row).toMatchObject({ group: 'Watchers', consumers: 1, lag: 2, topics: 1 })
    } finally {
      await online.close()
    }
    await expect
      .poll(async () => (await it.ok('group describe Watchers')).out)
      .toContain('nobody consumes: start its consumers')
  })
})

describe('admin offset', () => {
  test('of a group that is offline is written directly, queue by queue', async () => {
    await it.ok('topic create Reset -q 2')
    await it.send('Reset', 0, 10)
    await it.send('Reset', 1, 5)
    await it.commit('Offline', 'Reset', 0, 7)
    await it.commit('Offline', 'Reset', 1, 5)
    const dry = await it.json('offset reset Offline -t Reset --to earliest --dry-run')
    expect(dry.queues).toMatchObject([
      { from: 7, to: 0 },
      { from: 5, to: 0 },
    ])
    expect((await it.run('offset reset Offline -t Reset --to earliest')).error).toContain(
      '12 messages are consumed again, 0 skipped',
    )
    await it.ok('offset reset Offline -t Reset --to earliest --yes')
    expect(await it.json('group describe Offline')).toMatchObject({ lag: 15 })
    await it.ok('offset reset Offline -t Reset --to @3 -q 0 --yes')
    await it.ok('offset reset Offline -t Reset --to latest -q 1 --yes')
    expect(await it.json('group describe Offline')).toMatchObject({ lag: 7 })
    await it.ok('offset reset Offline -t Reset --to "1h ago" --yes')
    expect(await it.json('group describe Offline')).toMatchObject({ lag: 15 })
    expect((await it.run('offset reset Offline -t Reset --to yesterday')).error).toContain('is no time')
  })

  test('of a group that is online goes to its consumers', async () => {
    await it.ok('topic create Told -q 1')
    await it.send('Told', 0, 4)
    await it.commit('Online', 'Told', 0, 4)
    const online = await consumer(it, 'Online', 'Told', [0])
    try {
      expect((await it.run('offset reset Online -t Told --to @1 --yes')).error).toContain('group Online is online')
      expect((await it.ok('offset reset Online -t Told --to earliest --yes')).out).toContain(
        '1 consumers are online and are told',
      )
      await expect.poll(() => online.asked.map(({ code }) => code)).toContain(220)
      expect(online.asked.find(({ code }) => code === 220)?.body).toContain('"queueId":0')
    } finally {
      await online.close()
    }
  })

  test('is cloned to a group that is offline', async () => {
    await it.ok('topic create Cloned -q 1')
    await it.send('Cloned', 0, 9)
    await it.commit('First', 'Cloned', 0, 6)
    await it.ok('offset clone First Second -t Cloned --yes')
    expect(await it.json('group describe Second')).toMatchObject({
      queues: [{ topic: 'Cloned', consumerOffset: 6 }],
      lag: 3,
    })
  })
})
