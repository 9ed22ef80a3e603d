/**
 * The topics of a consumer, by the names under which they travel, and which version of each the brokers know.
 *
 * Invariant: a pull names a version only after a heartbeat with it was sent: a broker refuses one that is newer than it knows.
 */
import { type SubscriptionData, type SubscriptionExpression, subscriptionOf } from './subscription.ts'

interface Subscribed {
  readonly data: SubscriptionData
  /** Version that the last finished heartbeat told. */
  told: number
}

export class Subscriptions {
  private readonly byTopic = new Map<string, Subscribed>()

  /** `topic`: as it travels. */
  add(topic: string, expression: SubscriptionExpression, now: number): SubscriptionData {
    const before = this.byTopic.get(topic)
    const data = subscriptionOf(topic, expression, Math.max(now, (before?.data.subVersion ?? 0) + 1))
    this.byTopic.set(topic, { data, told: data.subVersion })
    return data
  }

  /** The topic as it is now; calling it makes it so again. */
  kept(topic: string): () => void {
    const before = this.byTopic.get(topic)
    return () => {
      if (before === undefined) this.byTopic.delete(topic)
      else this.byTopic.set(topic, before)
    }
  }

  remove(topic: string): boolean {
    return this.byTopic.delete(topic)
  }

  topics(): IterableIterator<string> {
    return this.byTopic.keys()
  }

  all(): SubscriptionData[] {
    return [...this.byTopic.values()].map(({ data }) => data)
  }

  of(topic: string): SubscriptionData | undefined {
    return this.byTopic.get(topic)?.data
  }

  /** As a pull names it. */
  forPull(topic: string): SubscriptionData | undefined {
    const subscribed = this.byTopic.get(topic)
    return subscribed === undefined ? undefined : { ...subscribed.data, subVersion: subscribed.told }
  }

  /** The queues of the topic have changed: brokers learn it by a newer version. `tell`: the heartbeat. */
  async renew(topic: string, now: number, tell: () => Promise<void>): Promise<void> {
    const subscribed = this.byTopic.get(topic)
    if (subscribed === undefined) return
    subscribed.data.subVersion = Math.max(now, subscribed.data.subVersion + 1)
    const { subVersion } = subscribed.data
    await tell()
    subscribed.told = Math.max(subscribed.told, subVersion)
  }
}
