/**
 * 905 (5.x): tells the brokers of a name that the smallest id among them has changed, so that a slave knows at once that it
 * stands in for its master, or that the master is back. Off unless notifyMinBrokerIdChanged says so.
 *
 * Owns:      connections to brokers, opened when there is something to tell.
 * Blocks on: nothing. One-way and once: whoever misses it asks (901, every second) and finds out by itself.
 */
import type { Clock } from '../clock.ts'
import { describe } from '../errors.ts'
import type { Log } from '../log.ts'
import { RemotingClient } from '../remoting/client.ts'
import { request } from '../remoting/command.ts'
import { encodeHeader } from '../remoting/schema.ts'
import { NOTIFY_MIN_BROKER_ID_CHANGE } from '../remoting/schemas/namesrv.ts'
import type { MinBrokerNotice } from './types.ts'

const CONNECT_MS_MAX = 3000

export class MinBrokerNotices {
  private readonly client: RemotingClient
  private readonly log: Log

  constructor(clock: Clock, log: Log) {
    this.log = log
    this.client = new RemotingClient({ clock, log, connectTimeoutMs: CONNECT_MS_MAX })
  }

  tell({ to, ...header }: MinBrokerNotice): void {
    const { brokerName, minBrokerId, minBrokerAddr } = header
    this.log.info(`broker ${brokerName}: the smallest id is ${minBrokerId} now (${minBrokerAddr})`)
    for (const address of to) {
      const command = request(NOTIFY_MIN_BROKER_ID_CHANGE.code, encodeHeader(NOTIFY_MIN_BROKER_ID_CHANGE, header))
      this.client.oneway(address, command).catch((error: unknown) => {
        this.log.warn(
          `broker ${brokerName} at ${address} was not told that its smallest id changed: ${describe(error)}`,
        )
      })
    }
  }

  close(): Promise<void> {
    return this.client.close()
  }
}
