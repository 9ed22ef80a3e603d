/**
 * The bodies that clients of many languages send of themselves, made into our own types: heartbeat (34), client check (46),
 * queue locks (41, 42). Unknown keys are ignored, numbers may be text; what must be there and is not is refused.
 * Shapes: spec/broker-requests.md §9.
 */
import type { RemotingCommand } from '../../remoting/command.ts'
import { javaHash } from '../../store/commitlog/java-hash.ts'
import type { ConsumeMode, ConsumeType, MessageQueue, Subscription } from '../groups/index.ts'
import { ALL, EXPRESSION_LENGTH_MAX, isTagType, TAG, TAGS_MAX, tagsOf } from '../groups/index.ts'
import { badBody, bodyList, bodyText, isObject, jsonBody } from './support.ts'

export interface ConsumerData {
  readonly group: string
  readonly mode: ConsumeMode
  readonly unitMode: boolean
  /** Undefined: as last time (5.x, withoutSub). */
  readonly subscriptions: Subscription[] | undefined
}

export interface HeartbeatBody {
  readonly clientId: string
  readonly producerGroups: string[]
  readonly consumers: ConsumerData[]
  /** Heartbeat V2 of RocketMQ 5: stands for all that a whole heartbeat of this client says; 0 in others. */
  readonly fingerprint: number
}

const CONSUME_TYPES: ReadonlySet<unknown> = new Set<ConsumeType>([
  'CONSUME_ACTIVELY',
  'CONSUME_PASSIVELY',
  'CONSUME_POP',
])

export function readHeartbeat(request: RemotingCommand): HeartbeatBody {
  const body = jsonBody(request)
  const clientId = bodyText(request, body, 'clientID')
  const keepsSubscriptions = isTrue(body.withoutSub)
  return {
    clientId,
    fingerprint: readNumber(body.heartbeatFingerprint),
    producerGroups: bodyList(request, body, 'producerDataSet').map((item) =>
      bodyText(request, asObject(request, item, 'producerDataSet'), 'groupName'),
    ),
    consumers: bodyList(request, body, 'consumerDataSet').map((item) => {
      const data = asObject(request, item, 'consumerDataSet')
      return {
        group: bodyText(request, data, 'groupName'),
        mode: {
          consumeType: (CONSUME_TYPES.has(data.consumeType) ? data.consumeType : 'CONSUME_PASSIVELY') as ConsumeType,
          messageModel: data.messageModel === 'BROADCASTING' ? 'BROADCASTING' : 'CLUSTERING',
          consumeFromWhere: typeof data.consumeFromWhere === 'string' ? data.consumeFromWhere : DEFAULT_FROM,
        },
        unitMode: isTrue(data.unitMode),
        subscriptions: keepsSubscriptions
          ? undefined
          : bodyList(request, data, 'subscriptionDataSet').map((it) => readSubscription(request, it)),
      }
    }),
  }
}

const DEFAULT_FROM = 'CONSUME_FROM_LAST_OFFSET'

/** One SubscriptionData; the tags' codes are computed, not believed. */
export function readSubscription(request: RemotingCommand, value: unknown): Subscription {
  const data = asObject(request, value, 'subscriptionDataSet')
  const topic = bodyText(request, data, 'topic')
  const expression = typeof data.subString === 'string' ? data.subString : ''
  if (expression.length > EXPRESSION_LENGTH_MAX) {
    throw badBody(request, `has an expression of ${expression.length} characters, at most ${EXPRESSION_LENGTH_MAX}`)
  }
  const type = typeof data.expressionType === 'string' ? data.expressionType : undefined
  const isTag = isTagType(type)
  const tagsSet = isTag ? tagsOf(expression === '' ? given(data.tagsSet) : expression) : []
  if (tagsSet.length > TAGS_MAX) throw badBody(request, `has ${tagsSet.length} tags for ${topic}, at most ${TAGS_MAX}`)
  return {
    topic,
    subString: isTag && expression === '' ? tagsSet.join(' || ') || ALL : expression,
    tagsSet,
    codeSet: new Set(tagsSet.map((tag) => javaHash(tag))),
    subVersion: readNumber(data.subVersion),
    expressionType: isTag ? TAG : (type as string),
    classFilterMode: isTrue(data.classFilterMode),
  }
}

/** Body of 41 and 42. */
export function readLockBody(request: RemotingCommand): { group: string; clientId: string; queues: MessageQueue[] } {
  const body = jsonBody(request)
  return {
    group: bodyText(request, body, 'consumerGroup'),
    clientId: bodyText(request, body, 'clientId'),
    queues: bodyList(request, body, 'mqSet').map((item) => {
      const data = asObject(request, item, 'mqSet')
      const queueId = readNumber(data.queueId)
      if (!Number.isInteger(queueId) || queueId < 0) throw badBody(request, `has the queueId ${String(data.queueId)}`)
      const brokerName = typeof data.brokerName === 'string' ? data.brokerName : ''
      return { brokerName, queueId, topic: bodyText(request, data, 'topic') }
    }),
  }
}

function given(tagsSet: unknown): string {
  return Array.isArray(tagsSet) ? tagsSet.filter((tag) => typeof tag === 'string').join('||') : ''
}

function asObject(request: RemotingCommand, value: unknown, list: string): Record<string, unknown> {
  if (isObject(value)) return value
  throw badBody(request, `has an item in ${list} that is no object`)
}

function isTrue(value: unknown): boolean {
  return value === true || value === 'true'
}

/** 0 where nothing sensible was given. */
function readNumber(value: unknown): number {
  const number = typeof value === 'string' || typeof value === 'bigint' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : 0
}
