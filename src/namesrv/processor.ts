/** What the processors of this folder are, and what they work on. */
import type { NamesrvConfig, RunningConfig } from '../config/index.ts'
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
  /** The values in force. */
  readonly config: NamesrvConfig
  /** What 318 changes and 319 shows. */
  readonly configuration: RunningConfig<'namesrv'>
  readonly log: Log
  /** The wait after a start, in which brokers come back, is over (needWaitForService). */
  isReady(): boolean
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
