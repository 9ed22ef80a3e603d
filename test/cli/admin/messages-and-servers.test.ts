/** `basaltmq admin message …`, `broker …`, `namesrv …`, `cluster …` against a broker and its NameServer. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { rig } from './rig.ts'

const it = rig({ config: { enablePropertyFilter: true } })

describe('admin message', () => {
  test('sends, shows by either id, finds by key, place and time', async () => {
    await it.ok('topic create Mail -q 2')
    const sent = await it.json('message send Mail --body "hello there" --key order-17 --tag Paid --property a=1 -q 1')
    expect(sent).toMatchObject({ code: 0, queueId: 1, queueOffset: 0, brokerName: 'broker-a' })
    const shown = await it.json(`message show ${sent.offsetMsgId}`)
    expect(shown).toMatchObject({ topic: 'Mail', body: 'hello there', msgId: sent.msgId, bodyIsIntact: true })
    expect(shown.properties).toMatchObject({ KEYS: 'order-17', TAGS: 'Paid', a: '1' })
    await expect.poll(async () => (await it.json('message find Mail --key order-17')).length).toBe(1)
    expect(await it.json(`message show ${sent.msgId} -t Mail`)).toEqual(shown)
    expect(await it.json('message find Mail -q 1 --offset 0')).toEqual([shown])
    expect(await it.json('message find Mail --from "1m ago" --tag Paid')).toEqual([shown])
    expect(await it.json('message find Mail --from "1m ago" --sql "a = 1"')).toEqual([shown])
    expect(await it.json('message find Mail --from "1m ago" --tag Unpaid')).toEqual([])
    expect(await it.json('message find Mail --key order')).toEqual([])
    expect((await it.ok(`message show ${sent.offsetMsgId}`)).out).toMatch(/TAGS +Paid[\s\S]*\nhello there\n$/)
  })

  test('takes a body from a file and writes one into a file, byte by byte', async () => {
    await it.ok('topic create Files -q 1')
    const bytes = Buffer.from([0, 1, 2, 255, 254, 10])
    let folder = ''
    const sent = await it.run('message send Files --file body --json', (world) => {
      folder = world.cwd
      writeFileSync(join(folder, 'body'), bytes)
    })
    const out = join(folder, 'copy')
    expect((await it.ok(`message show ${sent.json.offsetMsgId} -o ${out}`)).out).toContain('00 01 02 ff fe 0a')
    expect(readFileSync(out)).toEqual(bytes)
    const piped = await it.run('message send Files --file - --json', (world) => {
      Object.assign(world, { input: async () => Buffer.from('from a pipe') })
    })
    expect(await it.json(`message show ${piped.json.offsetMsgId}`)).toMatchObject({ body: 'from a pipe' })
  })

  test('what is not there or not given is said', async () => {
    await it.ok('topic create Empty')
    expect((await it.run('message show 00000000000000000000000000000000')).error).toContain('--topic NAME')
    expect((await it.run('message show ABC -t Empty')).error).toContain('topic Empty has no message with the id ABC')
    expect((await it.run('message find Empty')).error).toContain('say what to look for')
    expect((await it.run('message find Empty --offset 3')).error).toContain('--offset needs one queue')
    expect((await it.run('message find Empty -q 99 --offset 3')).error).toContain('has no such queue')
    expect((await it.run('message send Empty')).error).toContain('the message has no body')
    await it.ok('topic alter Empty --perm r')
    expect((await it.run('message send Empty --body x')).error).toContain('no broker takes messages of Empty')
  })

  test('tails what comes, and what came since a time', async () => {
    await it.ok('topic create Tailed -q 2')
    await it.send('Tailed', 0, 2)
    const old = await it.ok('message tail Tailed --from "1m ago" -c 2')
    expect(old.out.match(/broker-a\/0@\d/g)).toEqual(['broker-a/0@0', 'broker-a/0@1'])
    const following = it.ok('message tail Tailed -c 3 --json')
    const bodies = (out: string) =>
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).body)
    // Sent until it ends: nobody tells when the pulls are held.
    let isOver = false
    const over = following.finally(() => {
      isOver = true
    })
    for (let i = 0; !isOver && i < 200; i++) await it.send('Tailed', 1, 1)
    expect(new Set(bodies((await over).out))).toEqual(new Set(['Tailed-1-0']))
  })
})

describe('admin broker and cluster', () => {
  test('lists and describes', async () => {
    expect(await it.json('cluster list')).toMatchObject([
      { cluster: 'DefaultCluster', masters: 1, slaves: 0, silent: 0 },
    ])
    const [row] = await it.json('broker list')
    expect(row).toMatchObject({ name: 'broker-a', id: 0, address: it.broker.address, error: '' })
    const { runtime } = await it.json('broker describe broker-a position_')
    expect(Object.keys(runtime)).toContain('basalt_position_appended')
    expect(Object.keys(runtime).every((key) => key.includes('position_'))).toBe(true)
    expect((await it.ok(`broker describe ${it.broker.address} boot`)).out).toMatch(/bootTimestamp +\d+ \(\d{4}-/)
  })

  test('gets and sets configuration, and says what a broker does not know or take', async () => {
    expect((await it.ok('broker config get broker-a fileReservedTime')).out).toBe('fileReservedTime=72\n')
    expect((await it.ok('broker config set broker-a fileReservedTime=48 --dry-run')).out).toContain(
      'would be changed from 72 to 48',
    )
    expect((await it.ok('broker config set all fileReservedTime=48')).out).toBe(
      'broker-a: fileReservedTime changed from 72 to 48\n',
    )
    expect((await it.ok('broker config get broker-a fileReservedTime')).out).toBe('fileReservedTime=48\n')
    expect((await it.run('broker config set broker-a fileReservdTime=1')).error).toContain(
      'did you mean "fileReservedTime"',
    )
    expect((await it.run('broker config set broker-a fileReservedTime')).error).toContain('is not key=value')
    expect((await it.run('broker config set broker-a storePathRootDir=/elsewhere')).error).toContain('answered with 16')
  })

  test('counts by topic and group', async () => {
    await it.ok('topic create Counted -q 1')
    await it.send('Counted', 0, 4)
    await it.commit('Counters', 'Counted', 0, 1)
    const [row] = await it.json('broker stats -t Counted')
    expect(row).toMatchObject({ topic: 'Counted', group: 'Counters', lag: 3 })
    expect((await it.run('broker counter broker-a TOPIC_PUT_NUMS Nothing')).error).toContain('has counted nothing')
  })
})

describe('admin namesrv', () => {
  test('shows the three tables', async () => {
    await it.ok('topic create InTables -q 3')
    const [tables] = await it.json('namesrv tables InTables')
    expect(tables.brokerAddrTable).toEqual([
      { cluster: 'DefaultCluster', name: 'broker-a', id: 0, address: it.broker.address },
    ])
    expect(tables.topicQueueTable).toMatchObject([
      { topic: 'InTables', route: { queues: [{ brokerName: 'broker-a', readQueues: 3, perm: 6 }] } },
    ])
    expect(tables.brokerLiveTable).toMatchObject([
      { address: it.broker.address, dataVersion: { counter: expect.any(Number) } },
    ])
    const { out } = await it.ok('namesrv tables')
    for (const name of ['brokerAddrTable', 'topicQueueTable', 'brokerLiveTable']) expect(out).toContain(`\n${name}`)
  })

  test('configuration and KV table', async () => {
    expect((await it.ok('namesrv config set orderMessageEnable=true')).out).toContain('changed from false to true')
    expect((await it.ok('namesrv config get orderMessage')).out).toContain('orderMessageEnable=true\n')
    expect((await it.run('namesrv config set noSuchKey=1')).error).toContain('no key "noSuchKey"')
    await it.ok('namesrv kv set MINE key "a value"')
    expect((await it.ok('namesrv kv get MINE key')).out).toBe('a value\n')
    expect(await it.json('namesrv kv list MINE')).toEqual([{ namespace: 'MINE', key: 'key', value: 'a value' }])
    expect((await it.run('namesrv kv delete MINE key')).status).toBe(2)
    await it.ok('namesrv kv delete MINE key --yes')
    expect((await it.run('namesrv kv get MINE key')).error).toContain('MINE has no entry key')
  })

  test('wipes and gives back the write permission in the routes', async () => {
    await it.ok('topic create Wiped')
    expect((await it.ok('namesrv wipe broker-a')).out).toMatch(/wiped in the routes of .*: \d+ topics/)
    expect((await it.json('topic describe Wiped')).route.queues[0].perm).toBe(4)
    await it.ok('namesrv unwipe broker-a')
    expect((await it.json('topic describe Wiped')).route.queues[0].perm).toBe(6)
  })
})

describe('servers that are not there', () => {
  test('every command names what was asked, and what to do', async () => {
    const ran = await it.run('topic list -n 127.0.0.1:1;127.0.0.1:2')
    expect(ran).toMatchObject({ status: 1, out: '' })
    expect(ran.error).toMatch(/no NameServer answers: .*127\.0\.0\.1:1.*127\.0\.0\.1:2.*-n host:port/)
    expect(ran.error).not.toMatch(/^ {4}at /m)
    // One of two is enough to ask, not to tell.
    const both = `127.0.0.1:1,${it.broker.namesrv}`
    await it.ok(`topic list -n ${both}`)
    expect((await it.run(`namesrv kv set A b c -n ${both}`)).error).toContain('1 of 2 NameServers did not do it')
    expect((await it.run('broker describe 127.0.0.1:1')).error).toContain('127.0.0.1:1')
    expect((await it.run('topic list -n :::')).status).toBe(2)
  })

  test('without access rules acl says so', async () => {
    expect((await it.run('acl list')).error).toContain('aclEnable=true switches them on')
  })
})
