/** What the tests of the NameServer share: a clock that is moved by hand, registrations, channels that remember. */
import type { Clock } from '../../src/clock.ts'
import type { Log } from '../../src/log.ts'
import type { BrokerRegistration, Channel, RegisteredTopic } from '../../src/namesrv/types.ts'

export class FakeClock implements Clock {
  private time = 1_700_000_000_000
  now(): number {
    return this.time
  }
  advance(ms: number): void {
    this.time += ms
  }
}

export class FakeChannel implements Channel {
  closedBecause: string | undefined
  close(reason: string): void {
    this.closedBecause = reason
  }
}

export class ArrayLog implements Log {
  readonly lines: string[] = []
  info(message: string): void {
    this.lines.push(`info ${message}`)
  }
  warn(message: string): void {
    this.lines.push(`warn ${message}`)
  }
  error(message: string): void {
    this.lines.push(`error ${message}`)
  }
  matching(pattern: RegExp): string[] {
    return this.lines.filter((line) => pattern.test(line))
  }
}

export function topic(name: string, perm = 6, queues = 4, topicSysFlag = 0): RegisteredTopic {
  return { topic: name, readQueueNums: queues, writeQueueNums: queues, perm, topicSysFlag }
}

/** Broker "a", id 0, at 10.0.0.1:10911, cluster C, with topics T and U, unless told otherwise. */
export function registration(given: Partial<BrokerRegistration> & { counter?: number } = {}): BrokerRegistration {
  const { counter = 1, ...rest } = given
  return {
    clusterName: 'C',
    brokerName: 'a',
    brokerAddr: '10.0.0.1:10911',
    brokerId: 0,
    haServerAddr: '10.0.0.1:10912',
    heartbeatTimeoutMs: undefined,
    enableActingMaster: undefined,
    dataVersion: { stateVersion: 0, timestamp: 1000, counter },
    topics: [topic('T'), topic('U')],
    filterServerList: [],
    ...rest,
  }
}
