/** What the processors of this folder are, and what they work on. */
import type { NamesrvConfig } from '../config/index.ts'
import type { Log } from '../log.ts'
import { answerTo, type RemotingCommand } from '../remoting/command.ts'
import { RESPONSE } from '../remoting/response-codes.ts'
import type { KvConfig } from './kv-config.ts'
import type { RouteTables } from './route-tables.ts'
import type { Channel } from './types.ts'

/** What processors work on. */
export interface NamesrvState {
  readonly tables: RouteTables
  readonly kv: KvConfig
  /** 318 changes it in place. */
  readonly config: NamesrvConfig
  readonly log: Log
  /** The wait after a start, in which brokers come back, is over (needWaitForService). */
  isReady(): boolean
  /** Writes what 318 changed; resolves when it is on disk. */
  saveConfig(): Promise<void>
}

export type NamesrvProcessor = (
  request: RemotingCommand,
  channel: Channel,
) => RemotingCommand | Promise<RemotingCommand>

/** Code 0 with that text as body. */
export function withText(request: RemotingCommand, text: string): RemotingCommand {
  const answer = answerTo(request, RESPONSE.SUCCESS)
  answer.body = Buffer.from(text)
  return answer
}
