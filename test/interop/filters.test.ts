/**
 * Filters: Java's selectors on the broker, and random expressions over random messages on it and on Apache's own, which must
 * give the same. Where ours means to differ, the test says so.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { TestClient } from '../support/client.ts'
import recorded from '../vectors/sql92/recorded.json' with { type: 'json' }
import { producer, pushConsumer, select } from './support/programs.ts'
import { apacheIsThere, CLIENTS, KIND, ORACLE, Scratch, type System, startSystem } from './support/systems.ts'

const FILTERING = { enablePropertyFilter: true }
const COUNT = 120
const keyOf = (seed: number, i: number) => `s${seed}-${i}`
const keys = (seed: number, isWanted: (i: number) => boolean) =>
  Array.from({ length: COUNT }, (_, i) => i)
    .filter(isWanted)
    .map((i) => keyOf(seed, i))
    .sort()

describe.skipIf(!apacheIsThere(...CLIENTS))(`Java selectors and the ${KIND} broker`, () => {
  const scratch = new Scratch()
  const topic = 'Selected'
  let system: System

  beforeAll(async () => {
    system = await startSystem({ scratch, config: FILTERING })
    const { acknowledged } = await producer(scratch, ORACLE, {
      namesrv: system.namesrv,
      topic,
      count: COUNT,
      seed: 1,
      max: 9000,
    }).done()
    expect(acknowledged).toHaveLength(COUNT)
  })
  afterAll(async () => {
    await system?.close()
    scratch.remove()
  })

  describe.each(CLIENTS)('client %s', (version) => {
    const group = (name: string) => `Select-${version.replaceAll('.', '_')}-${name}`

    test('the push consumer gets what its SQL92 expression wants, waiting or not', async () => {
      const options = {
        namesrv: system.namesrv,
        topic,
        group: group('push'),
        sql: `(number BETWEEN 10 AND 29 AND TAGS = 'TagB') OR user IN ('ümlaut-100') OR late = '${version}'`,
      }
      const wanted = keys(1, (i) => (i >= 10 && i <= 29 && i % 2 === 1) || i === 100)
      const consumer = pushConsumer(scratch, version, { ...options, distinct: wanted.length + 1, idle: 20_000 })
      await consumer.program.until('GOT', wanted.length)
      // All are read: now its pulls wait, and this wakes one.
      const client = new TestClient(system.address)
      await client.send(topic, 'late', { properties: { KEYS: `late-${version}`, late: version } })
      await client.close()
      const received = await consumer.done()
      expect(received.map(({ key }) => key).sort()).toEqual([`late-${version}`, ...wanted].sort())
    })

    // The lite consumer of 5.3 pulls by request 361, which no 4.9 broker has; ours has it.
    const modes = KIND === 'apache' && version.startsWith('5') ? ['pull'] : ['pull', 'lite']
    test.each(modes)('the %s consumer gets what its selector wants', async (mode) => {
      const common = { namesrv: system.namesrv, topic, mode, idle: 6000 }
      const wanted = keys(1, (i) => i > 40 && i < 80 && i % 2 === 0)
      const bySql = await select(scratch, version, {
        ...common,
        group: group(`${mode}-sql`),
        sql: "number > 40 AND number < 80 AND NOT (TAGS <> 'TagA')",
        distinct: wanted.length,
      })
      expect(bySql.keys.sort()).toEqual(wanted)
      if (mode === 'lite') return
      const byTag = await select(scratch, version, { ...common, group: group(`${mode}-tag`), tags: 'TagB || none' })
      expect(byTag.keys.filter((key) => key.startsWith('s')).sort()).toEqual(keys(1, (i) => i % 2 === 1))
    })

    test('a consumer with a wrong expression does not start, and reads why', async () => {
      const consumer = pushConsumer(scratch, version, {
        namesrv: system.namesrv,
        topic,
        group: group('wrong'),
        sql: "a > 'x'",
      })
      await consumer.done()
      expect(consumer.program.of('REFUSED').join()).toContain("Value ''x'' cannot be compared.")
    })
  })
})

/** One broker under test, and Apache's as oracle. */
describe.skipIf(!apacheIsThere(ORACLE))(`the ${KIND} broker and Apache's`, () => {
  const scratch = new Scratch()
  const topic = 'Random'
  const VALUES = [
    '1',
    '2',
    '1.0',
    '1.5',
    '-1',
    '+1',
    ' 1',
    'x',
    'y',
    'true',
    'ü',
    'NaN',
    '2147483648',
    '9007199254740993',
    '1f',
  ]
  let tested: System
  let oracle: System
  let clients: TestClient[]

  beforeAll(async () => {
    ;[tested, oracle] = await Promise.all([
      startSystem({ scratch, config: FILTERING }),
      startSystem({ scratch, kind: 'apache', config: FILTERING }),
    ])
    clients = [tested, oracle].map((system) => new TestClient(system.address))
    const messages = fc.sample(
      fc.dictionary(fc.constantFrom('a', 'b', 'c', 'TAGS'), fc.constantFrom(...VALUES), { maxKeys: 4 }),
      { numRuns: 60, seed: 7 },
    )
    for (const client of clients) for (const properties of messages) await client.send(topic, 'x', { properties })
  })
  afterAll(async () => {
    for (const client of clients ?? []) await client.close()
    await tested?.close()
    await oracle?.close()
    scratch.remove()
  })

  const both = <T>(ask: (client: TestClient) => Promise<T>) => Promise.all(clients.map(ask))

  async function matching(client: TestClient, expression: string): Promise<string> {
    const found: number[] = []
    for (let from = 0; ; ) {
      const { code, next, messages } = await client.pull(topic, 0, from, { type: 'SQL92', expression })
      if (code === 19) return found.join()
      if (code !== 0 && code !== 20) return `code ${code}`
      found.push(...messages.map(({ queueOffset }) => queueOffset))
      from = next
    }
  }

  const operand = fc.constantFrom('a', 'b', 'c', '1', '2', '1.5', "'x'", "'1'", 'TRUE', 'NULL', '-1', '2147483648')
  const comparison = fc.oneof(
    fc.tuple(operand, fc.constantFrom('=', '<>', '>', '>=', '<', '<='), operand).map((parts) => parts.join(' ')),
    fc
      .constantFrom('a', 'b')
      .chain((name) =>
        fc.constantFrom(
          `${name} BETWEEN 1 AND 1.5`,
          `${name} NOT BETWEEN b AND 2`,
          `${name} IN ('x', '1', 'ü')`,
          `${name} NOT IN ('x')`,
          `${name} IS NULL`,
          `${name} IS NOT NULL`,
          name,
          `TAGS = 'x'`,
        ),
      ),
  )
  const { expression } = fc.letrec<{ expression: string }>((tie) => ({
    expression: fc.oneof(
      { maxDepth: 3 },
      comparison,
      fc
        .tuple(tie('expression'), fc.constantFrom('AND', 'OR', '='), tie('expression'))
        .map(([l, w, r]) => `(${l}) ${w} (${r})`),
      tie('expression').map((inner) => `NOT (${inner})`),
    ),
  }))

  test('random expressions deliver the same of random messages', async () => {
    let compared = 0
    for (const text of fc.sample(expression, { numRuns: 400, seed: 11 })) {
      const [ours, theirs] = await both((client) => check(client, text))
      expect(`${text}: ${ours}`).toBe(`${text}: ${theirs}`)
      // Apache delivers everything where it cannot compile the expression of a pull; ours refuses it (below).
      if (theirs !== '0 ') continue
      compared += 1
      const [found, expected] = await both((client) => matching(client, text))
      expect(`${text}: ${found}`).toBe(`${text}: ${expected}`)
    }
    expect(compared).toBeGreaterThan(100)
  })

  async function check(client: TestClient, subString: string, expressionType = 'SQL92'): Promise<string> {
    const subscriptionData = { topic, subString, subVersion: 1, expressionType, tagsSet: [], codeSet: [] }
    const body = { clientId: 'c', group: 'G', subscriptionData }
    const { code, remark } = await client.invoke(46, {}, Buffer.from(JSON.stringify(body)))
    return `${code} ${remark ?? ''}`
  }

  test('recorded expressions are taken or refused in the same words (46)', async () => {
    for (const [text, remark] of recorded.answers as [string, string | null][]) {
      const [ours, theirs] = await both((client) => check(client, text))
      expect(`${text}: ${ours}`).toBe(`${text}: ${theirs}`)
      expect(ours).toBe(remark === null ? '0 ' : `23 ${remark}`)
    }
  })

  test.each(['t', ' t ', '||', ' || ', '||||', '|| ', '||t', 't||', '*', '*||x', 'x|y', 'x || y', ''])(
    'the tags "%s" find the same',
    async (tags) => {
      const [ours, theirs] = await both(async (client) => {
        const { code, messages } = await client.pull(topic, 0, 0, { expression: tags, count: 100 })
        return `${code} ${messages.map(({ queueOffset }) => queueOffset)}`
      })
      expect(ours).toBe(theirs)
    },
  )

  test.skipIf(KIND === 'apache')(
    'an expression that a pull brings and that cannot be applied is refused, where Apache delivers everything',
    async () => {
      for (const [text, type] of [
        ['a =', 'SQL92'],
        ['a = 1', 'FOO'],
      ]) {
        const [ours, theirs] = await both((client) => client.pull(topic, 0, 0, { expression: text, type }))
        expect([ours.code, theirs.code]).toEqual([23, 0])
      }
    },
  )

  test('groups get the same codes for what they registered', async () => {
    const beat = async (client: TestClient, group: string, subString: string, subVersion: number, type = 'SQL92') => {
      const subscription = { topic, subString, subVersion, expressionType: type, tagsSet: [], codeSet: [] }
      const consumer = {
        groupName: group,
        consumeType: 'CONSUME_PASSIVELY',
        messageModel: 'CLUSTERING',
        consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
        unitMode: false,
        subscriptionDataSet: [subscription],
      }
      const body = { clientID: 'c', producerDataSet: [], consumerDataSet: [consumer] }
      expect((await client.invoke(34, {}, Buffer.from(JSON.stringify(body)))).code).toBe(0)
    }
    const [ours, theirs] = await both(async (client) => {
      const seen: unknown[] = []
      const pull = async (group: string, registered: number) => {
        const { code, remark, messages } = await client.pull(topic, 0, 0, { group, registered })
        seen.push([code, remark, messages.map(({ queueOffset }) => queueOffset)])
      }
      await pull('G1', 100)
      await beat(client, 'G1', "a = '1'", 100)
      for (const version of [0, 100, 101]) await pull('G1', version)
      await beat(client, 'G1', "a = 'x'", 50)
      await pull('G1', 50)
      await beat(client, 'G1', "a = 'x'", 150)
      await pull('G1', 150)
      await beat(client, 'G1', 'a =', 200)
      await pull('G1', 200)
      await beat(client, 'G2', "a = '1'", 100, 'FOO')
      await pull('G2', 100)
      await client.invoke(35, { clientID: 'c', consumerGroup: 'G1' })
      await pull('G1', 200)
      return seen
    })
    expect(ours).toEqual(theirs)
  })
})

describe.skipIf(!apacheIsThere(ORACLE))('filters in a store that changes hands', () => {
  const scratch = new Scratch()
  // Their bits are known for this name.
  const topic = 'T'
  const config = {
    ...FILTERING,
    enableConsumeQueueExt: true,
    enableCalcFilterBitMap: true,
    mappedFileSizeConsumeQueueExt: 4096,
  }
  afterAll(() => scratch.remove())

  async function beat(client: TestClient): Promise<void> {
    const subscriptionDataSet = [
      { topic, subString: "a = '1'", subVersion: 100, expressionType: 'SQL92', tagsSet: [], codeSet: [] },
    ]
    const consumer = {
      groupName: 'G1',
      consumeType: 'CONSUME_PASSIVELY',
      messageModel: 'CLUSTERING',
      consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
      unitMode: false,
      subscriptionDataSet,
    }
    await client.invoke(
      34,
      {},
      Buffer.from(JSON.stringify({ clientID: 'c', producerDataSet: [], consumerDataSet: [consumer] })),
    )
  }

  /** Bit maps of the ext units. */
  function bitMaps(store: string): string[] {
    const folder = join(store, 'consumequeue_ext', topic, '0')
    const bytes = Buffer.concat(
      readdirSync(folder)
        .sort()
        .map((name) => readFileSync(join(folder, name))),
    )
    const maps: string[] = []
    for (let at = 0; bytes.readInt16BE(at) > 0; at += bytes.readInt16BE(at)) {
      maps.push(bytes.toString('hex', at + 20, at + bytes.readInt16BE(at)))
    }
    return maps
  }

  async function fill(system: System, from: number): Promise<void> {
    const client = new TestClient(system.address)
    await beat(client)
    // Its bits are kept a moment after the heartbeat.
    await new Promise((resolve) => setTimeout(resolve, 200))
    for (let i = from; i < from + 6; i += 1) await client.send(topic, 'x', { properties: { a: String(i % 3) } })
    await vi.waitFor(async () => expect((await client.pull(topic, 0, from + 6)).code).toBe(19), 10_000)
    await client.close()
  }

  test.each([
    ['apache', KIND],
    [KIND, 'apache'],
  ] as const)('%s writes filters and bits, %s goes on with both', async (writer, reader) => {
    const store = scratch.sub('store')
    const first = await startSystem({ scratch, kind: writer, store, config })
    try {
      await fill(first, 0)
      expect(await first.stop()).toBe(true)
    } finally {
      await first.close()
    }
    const maps = ['', '1', ''].map((bit) => (bit === '' ? '0'.repeat(28) : '0000002000000100020000000000'))
    expect(bitMaps(store)).toEqual([...maps, ...maps])
    const second = await startSystem({ scratch, kind: reader, store, port: first.port, config })
    try {
      await fill(second, 6)
      expect(bitMaps(store)).toEqual([...maps, ...maps, ...maps, ...maps])
      const client = new TestClient(second.address)
      await beat(client)
      const { messages } = await client.pull(topic, 0, 0, { group: 'G1', registered: 100 })
      expect(messages.map(({ queueOffset }) => queueOffset)).toEqual([1, 4, 7, 10])
      await client.close()
      expect(await second.stop()).toBe(true)
      const { filterDataByTopic } = JSON.parse(readFileSync(join(store, 'config', 'consumerFilter.json'), 'utf8'))
      expect(filterDataByTopic[topic].groupFilterData.G1).toMatchObject({
        expression: "a = '1'",
        clientVersion: 100,
        bloomFilterData: { bitNum: 112, bitPos: [48, 65, 29] },
      })
    } finally {
      await second.close()
    }
  })
})
