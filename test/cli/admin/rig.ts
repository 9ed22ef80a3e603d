/** A broker in this process, and `basaltmq admin` run against it. */
import { afterAll, beforeAll } from 'vitest'
import { REQUEST } from '../../../src/remoting/request-codes.ts'
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { World } from '../support.ts'

export interface Ran {
  status: number
  out: string
  error: string
  // biome-ignore lint/suspicious/noExplicitAny: what a command prints is looked at, not typed
  json: any
}

/** `words` as a shell splits them, with double quotes. */
export function split(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare)
}

export interface Server {
  readonly address: string
  readonly namesrv: string
}

export class Rig<B extends Server = TestBroker> {
  broker!: B
  client!: TestClient

  /** `basaltmq admin <line>` with the broker's NameServer, in a world of its own. */
  async run(line: string, prepare: (world: World) => void = () => {}): Promise<Ran> {
    const world = new World()
    world.env.NAMESRV_ADDR = this.broker.namesrv
    prepare(world)
    const status = await world.run('admin', ...split(line))
    const out = world.printed
    return { status, out, error: world.complained, json: parsed(out) }
  }

  /** Fails unless the status is 0. */
  async ok(line: string): Promise<Ran> {
    const ran = await this.run(line)
    if (ran.status !== 0) throw new Error(`basaltmq admin ${line}: ${ran.status}\n${ran.out}${ran.error}`)
    return ran
  }

  json(line: string): Promise<Ran['json']> {
    return this.ok(`${line} --json`).then(({ json }) => json)
  }

  /** Resolves when they can be consumed. */
  async send(topic: string, queueId: number, count: number, properties: Record<string, string> = {}): Promise<void> {
    let last = 0
    for (let i = 0; i < count; i++) {
      const answer = await this.client.send(topic, `${topic}-${queueId}-${i}`, { queueId, properties })
      if (answer.code !== 0) throw new Error(`send: ${answer.code} ${answer.remark}`)
      last = Number(answer.ext?.queueOffset)
    }
    const end = () => this.client.invoke(REQUEST.GET_MAX_OFFSET, { topic, queueId: String(queueId) })
    while (Number((await end()).ext?.offset) <= last) await new Promise((resolve) => setTimeout(resolve, 5))
  }

  async commit(group: string, topic: string, queueId: number, offset: number): Promise<void> {
    const ext = { consumerGroup: group, topic, queueId: String(queueId), commitOffset: String(offset) }
    await this.client.invoke(REQUEST.UPDATE_CONSUMER_OFFSET, ext)
  }
}

/** Undefined for what is no JSON, or several lines of it. */
function parsed(out: string): unknown {
  try {
    return JSON.parse(out)
  } catch {
    return undefined
  }
}

export function rig(options: TestBrokerOptions = {}): Rig {
  const it = new Rig()
  beforeAll(async () => {
    it.broker = await startTestBroker({ ...options, config: { brokerName: 'broker-a', ...options.config } })
    it.client = new TestClient(it.broker.address)
  })
  afterAll(async () => {
    await it.client.close()
    await it.broker.close()
  })
  return it
}

export interface Consumer {
  /** Requests that the broker sent. */
  asked: { code: number; ext: Record<string, string> | undefined; body: string }[]
  close(): Promise<void>
}

/** A client of the group that is online, and owns `owned` queues of the topic. */
export async function consumer(
  it: Rig<Server>,
  group: string,
  topic: string,
  owned: readonly number[],
  tags = '*',
): Promise<Consumer> {
  const asked: Consumer['asked'] = []
  const client = new TestClient(it.broker.address, (command) => {
    asked.push({ code: command.code, ext: command.ext, body: Buffer.from(command.body ?? []).toString() })
    if (command.code !== REQUEST.GET_CONSUMER_RUNNING_INFO) return undefined
    const queues = owned.map((queueId) => {
      const key = `{"brokerName":"broker-a","queueId":${queueId},"topic":"${topic}"}`
      return `${key}:{"cachedMsgCount":3,"lastPullTimestamp":${Date.now()},"lastConsumeTimestamp":${Date.now()}}`
    })
    const body = Buffer.from(`{"properties":{},"mqTable":{${queues.join(',')}}}`)
    return { ...command, code: 0, flag: 1, ext: undefined, body }
  })
  const subscription = { topic, subString: tags, tagsSet: [], codeSet: [], subVersion: 1, expressionType: 'TAG' }
  const data = {
    groupName: group,
    consumeType: 'CONSUME_PASSIVELY',
    messageModel: 'CLUSTERING',
    consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
    unitMode: false,
    subscriptionDataSet: [subscription],
  }
  const body = { clientID: `${group}-client`, producerDataSet: [], consumerDataSet: [data] }
  await client.invoke(REQUEST.HEART_BEAT, {}, Buffer.from(JSON.stringify(body)))
  return { asked, close: () => client.close() }
}
