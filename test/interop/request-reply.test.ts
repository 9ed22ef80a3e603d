/** Java's request–reply: requesters and repliers of both versions, over the broker. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { asking, readAll } from './support/programs.ts'
import { apacheIsThere, CLIENTS, KIND, Scratch, type System, startSystem } from './support/systems.ts'

const COUNT = 30
const IDLE = 20_000
const PAIRS = [
  { asker: '4.9.7', answerer: '4.9.7' },
  { asker: '5.3.3', answerer: '5.3.3' },
  { asker: '4.9.7', answerer: '5.3.3' },
]

describe.skipIf(!apacheIsThere(...CLIENTS))(`request–reply over the ${KIND} broker`, () => {
  const scratch = new Scratch()
  let system: System

  beforeAll(async () => {
    system = await startSystem({ scratch })
  })
  afterAll(async () => {
    await system?.close()
    scratch.remove()
  })

  test.each(PAIRS)('$asker asks, $answerer answers: every request gets its own reply', async ({ asker, answerer }) => {
    const topic = `Requests-${asker}-${answerer}`.replaceAll('.', '_')
    await system.createTopic(topic)
    const common = { namesrv: system.namesrv, topic }
    // 5.3.3 ends the others as timed out once the request is sent, whatever the broker: it counts its latch down then.
    const modes = asker === '5.3.3' ? ['queue'] : ['sync', 'async', 'queue']
    const answering = asking(scratch, answerer, {
      ...{ ...common, role: 'answer', group: `G-${topic}`, count: modes.length * COUNT, idle: IDLE },
    })
    await answering.program.until('READY')
    for (const mode of modes) {
      const { replies, failed } = await asking(scratch, asker, { ...common, role: 'ask', mode, count: COUNT }).done()
      expect(failed).toEqual([])
      expect(replies.length).toBe(COUNT)
      for (const [key, body] of replies) expect(body).toBe(`reply to ${key}`)
    }
    const { replied } = await answering.done()
    expect(new Set(replied.map(([, status]) => status))).toEqual(new Set(['SEND_OK']))
    const { records } = await readAll(scratch, asker, {
      ...{ namesrv: system.namesrv, topics: 'DefaultCluster_REPLY_TOPIC', group: `R-${topic}` },
    })
    const places = new Set(records.map(({ offsetMsgId }) => offsetMsgId))
    for (const [, , id] of replied) expect(places).toContain(id)
  })

  test('a reply that comes too late, or to a requester that has gone, fails at the replier with the reason', async () => {
    const topic = 'Requests-late'
    await system.createTopic(topic)
    const common = { namesrv: system.namesrv, topic }
    const answering = asking(scratch, '4.9.7', {
      ...{ ...common, role: 'answer', group: `G-${topic}`, count: 1, idle: IDLE, late: 2500 },
    })
    await answering.program.until('READY')
    const { replies, failed } = await asking(scratch, '4.9.7', {
      ...common,
      role: 'ask',
      count: 1,
      timeout: 1000,
    }).done()
    expect(replies).toEqual([])
    expect(failed).toEqual([['q-0', expect.stringContaining('RequestTimeoutException')]])
    await answering.done()
    expect(answering.program.of('NOTREPLIED')).toEqual([['q-0', expect.stringContaining('CODE: 1')]])
    expect(answering.program.of('NOTREPLIED')[0][1]).toMatch(/push reply message fail, channel of <.+> not found/)
  })
})
