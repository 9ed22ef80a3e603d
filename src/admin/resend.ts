/**
 * Messages of a store, or of an export, sent again to brokers that are up: as messages, so that each gets a new place. Kept are
 * topic, queue (where there is one of that number), tag, keys, properties, id, body, born time, flag; what the broker would
 * take as an order is left out: a delayed message that was delivered is not delayed again, a committed one is no half.
 */

import { RESPONSE } from '../remoting/response-codes.ts'
import { SEND_MESSAGE_V2 } from '../remoting/schemas/index.ts'
import { formatProperties } from '../store/commitlog/properties.ts'
import { SYS_FLAG } from '../store/commitlog/record.ts'
import { type AdminClient, requestOf } from './admin-client.ts'
import { AdminError } from './admin-error.ts'
import { leadersOf, mustRoute } from './cluster.ts'
import { uniqueId } from './unique-id.ts'

export interface StoredMessage {
  topic: string
  queueId: number
  flag: number
  sysFlag: number
  bornTimestamp: number
  reconsumeTimes: number
  properties: ReadonlyMap<string, string>
  /** As it is stored: compressed if sysFlag says so. */
  body: Uint8Array
}

interface Target {
  address: string
  queueId: number
}

const WRITE = 2
const STORED = [RESPONSE.FLUSH_DISK_TIMEOUT, RESPONSE.SLAVE_NOT_AVAILABLE, RESPONSE.FLUSH_SLAVE_TIMEOUT]
/** Orders to a broker; 5.x adds those that begin with TIMER_. */
const ORDERS = new Set(['DELAY', 'REAL_TOPIC', 'REAL_QID', 'TRAN_MSG', 'CLUSTER'])
const GROUP = 'BASALT_IMPORT'

/** Why a message is not sent; undefined for one that is. */
export function notSent({ topic, sysFlag }: Pick<StoredMessage, 'topic' | 'sysFlag'>): string | undefined {
  if (topic === 'SCHEDULE_TOPIC_XXXX')
    return 'it waits in a delay level; once it was delivered it is in its own topic too'
  if (topic.startsWith('RMQ_SYS_') || topic === 'TRANS_CHECK_MAX_TIME_TOPIC' || topic === 'OFFSET_MOVED_EVENT')
    return 'brokers keep this topic for themselves'
  const transaction = sysFlag & SYS_FLAG.transactionMask
  if (transaction === SYS_FLAG.prepared || transaction === SYS_FLAG.rollback) return 'it is a half of a transaction'
  return undefined
}

export class Resender {
  private readonly admin: AdminClient
  private readonly broker: string | undefined
  private readonly now: () => number
  private readonly routes = new Map<string, Promise<Target[]>>()

  /** `broker`: host:port of the only one that is sent to; without it the route of each topic says who. */
  constructor(admin: AdminClient, broker: string | undefined, now: () => number) {
    this.admin = admin
    this.broker = broker
    this.now = now
  }

  /** Resolves when a broker has stored it. Throws AdminError. */
  async send(message: StoredMessage): Promise<void> {
    const { topic, queueId, flag, bornTimestamp, reconsumeTimes, body } = message
    const target = await this.targetOf(topic, queueId)
    const properties = [...message.properties].filter(([name]) => !ORDERS.has(name) && !name.startsWith('TIMER_'))
    if (!message.properties.has('UNIQ_KEY')) properties.push(['UNIQ_KEY', uniqueId(this.now())])
    const header = {
      producerGroup: GROUP,
      topic,
      defaultTopic: 'TBW102',
      defaultTopicQueueNums: 4,
      queueId: target.queueId,
      sysFlag: message.sysFlag & (SYS_FLAG.compressed | SYS_FLAG.multiTags | SYS_FLAG.compressionMask),
      bornTimestamp,
      flag,
      properties: formatProperties(properties),
      reconsumeTimes,
    }
    await this.admin.ask(target.address, requestOf(SEND_MESSAGE_V2, header, body), { also: STORED })
  }

  private async targetOf(topic: string, queueId: number): Promise<Target> {
    if (this.broker !== undefined) return { address: this.broker, queueId }
    let route = this.routes.get(topic)
    if (route === undefined) {
      route = this.queuesOf(topic)
      this.routes.set(topic, route)
    }
    const queues = await route
    return queues.find((queue) => queue.queueId === queueId) ?? queues[queueId % queues.length]
  }

  /** Queues of the same number stay together: one broker of several, by its name. */
  private async queuesOf(topic: string): Promise<Target[]> {
    const { brokers, queues } = await mustRoute(this.admin, topic)
    const targets = leadersOf(brokers)
      .filter(({ id }) => id === 0)
      .flatMap(({ name, address }) => {
        const queue = queues.find(({ brokerName }) => brokerName === name)
        if (queue === undefined || (queue.perm & WRITE) === 0) return []
        return Array.from({ length: queue.writeQueues }, (_, queueId) => ({ address, queueId }))
      })
    if (targets.length > 0) return targets
    throw new AdminError('NOT_WRITABLE', {
      what: `no broker takes messages of ${topic}`,
      todo: 'see its permissions: "basaltmq admin topic describe"',
    })
  }
}
