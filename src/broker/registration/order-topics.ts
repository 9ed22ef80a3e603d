/**
 * Which topics are ordered, as several NameServers say: each has an ORDER_TOPIC_CONFIG of its own, and the answers come one by
 * one. A topic is ordered when one of them says so; else two that disagree would turn it on and off with every registration.
 */
import type { RegisterAnswer } from './register-answer.ts'

export class OrderTopics {
  private readonly said = new Map<string, ReadonlyMap<string, string>>()

  /** Undefined: the answer changes nothing. `asked`: the NameServers that count. */
  take({ namesrv, orderTopics }: RegisterAnswer, asked: readonly string[]): ReadonlySet<string> | undefined {
    // None at all is not an empty one: RocketMQ leaves the topics as they are then.
    if (orderTopics === undefined) return undefined
    this.said.set(namesrv, orderTopics)
    const ordered = new Set<string>()
    for (const [address, topics] of this.said) {
      if (asked.includes(address)) for (const topic of topics.keys()) ordered.add(topic)
      else this.said.delete(address)
    }
    return ordered
  }
}
