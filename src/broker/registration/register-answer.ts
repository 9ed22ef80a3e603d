/**
 * What a NameServer answers to a registration, checked before it is believed (apache/rocketmq #2935: a null entry of
 * the KV configuration kept every broker from starting).
 * Format: spec/namesrv.md §3 (103), §4 "What a broker does with the answer".
 */
import { describe } from '../../errors.ts'
import type { RemotingCommand } from '../../remoting/command.ts'
import { parse } from '../../remoting/fastjson.ts'

export interface RegisterAnswer {
  /** The NameServer that answered, "host:port". */
  readonly namesrv: string
  /** Master of our group, where we are its slave. */
  readonly masterAddr: string | undefined
  /** The master's HA address. */
  readonly haServerAddr: string | undefined
  /**
   * ORDER_TOPIC_CONFIG: topic → "brokerA:4;brokerB:4". Undefined when the NameServer has none: then nothing changes.
   * Else every local topic in it is ordered, every other one is not.
   */
  readonly orderTopics: ReadonlyMap<string, string> | undefined
  /** Entries that were passed over, for the log. */
  readonly skipped: readonly string[]
}

export function readRegisterAnswer(namesrv: string, answer: RemotingCommand): RegisterAnswer {
  const skipped: string[] = []
  return {
    namesrv,
    masterAddr: answer.ext?.masterAddr || undefined,
    haServerAddr: answer.ext?.haServerAddr || undefined,
    orderTopics: orderTopics(answer.body, skipped),
    skipped,
  }
}

function orderTopics(body: Uint8Array | undefined, skipped: string[]): Map<string, string> | undefined {
  if (body === undefined || body.length === 0) return undefined
  try {
    const value: unknown = parse(body)
    const table = (value as { table?: unknown } | null)?.table
    if (typeof table !== 'object' || table === null) return undefined
    const topics = new Map<string, string>()
    for (const [topic, conf] of Object.entries(table)) {
      if (topic !== '' && typeof conf === 'string') topics.set(topic, conf)
      else skipped.push(`order configuration of topic ${JSON.stringify(topic)} is ${JSON.stringify(conf)}`)
    }
    return topics
  } catch (error) {
    skipped.push(`order configuration cannot be read: ${describe(error)}`)
    return undefined
  }
}
