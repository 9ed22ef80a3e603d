/** What a broker throws away when it is asked, without waiting for its own hour. */
import { request } from '../remoting/command.ts'
import { REQUEST } from '../remoting/request-codes.ts'
import type { AdminClient } from './admin-client.ts'

const CODES = {
  /** Files of ConsumeQueues all of whose messages are gone from the log. */
  queues: REQUEST.CLEAN_EXPIRED_CONSUMEQUEUE,
  /** ConsumeQueues of topics that are not configured any more. */
  topics: REQUEST.CLEAN_UNUSED_TOPIC,
  /** Segments of the log that are older than fileReservedTime. */
  log: REQUEST.DELETE_EXPIRED_COMMITLOG,
} as const

export type Cleaned = keyof typeof CODES

export async function clean(admin: AdminClient, address: string, what: Cleaned): Promise<void> {
  await admin.ask(address, request(CODES[what]))
}
