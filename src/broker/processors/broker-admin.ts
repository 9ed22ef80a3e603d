/**
 * The broker as a whole: configuration 26, runtime table 28, one statistics item 315.
 * Rules: spec/broker-requests.md §15, §16.
 */
import { OWN_VERSION, type RemotingCommand } from '../../remoting/command.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader, encodeHeader } from '../../remoting/schema.ts'
import { GET_BROKER_CONFIG_ANSWER, VIEW_BROKER_STATS_DATA } from '../../remoting/schemas/admin.ts'
import type { Processor } from '../router.ts'
import type { AdminContext, WaitingLine } from './context.ts'
import { jsonAnswer, refuse, textAnswer } from './support.ts'

/** Name of OWN_VERSION. */
const VERSION_NAME = 'V4_9_8'
/** What RocketMQ says while transientStorePoolEnable is off: Integer.MAX_VALUE. */
const NO_TRANSIENT_POOL = '2147483647'
/** Ours: a request with this field is answered with the stage clock's counts too. */
const STAGE_COUNTS = 'stageCounts'

export function brokerProcessors(context: AdminContext): [number, Processor][] {
  return [
    [REQUEST.GET_BROKER_CONFIG, (request) => configuration(context, request)],
    [REQUEST.GET_BROKER_RUNTIME_INFO, (request) => jsonAnswer(request, { table: runtimeTable(context, request) })],
    [REQUEST.VIEW_BROKER_STATS_DATA, (request) => statsItem(context, request)],
  ]
}

function configuration({ config }: AdminContext, request: RemotingCommand): RemotingCommand {
  const answer = textAnswer(request, config.text())
  const { counter, timestamp } = config.dataVersion()
  answer.ext = encodeHeader(GET_BROKER_CONFIG_ANSWER, { version: JSON.stringify({ counter, timestamp }) })
  return answer
}

function statsItem({ stats, clock }: AdminContext, request: RemotingCommand): RemotingCommand {
  const { statsName, statsKey } = decodeHeader(VIEW_BROKER_STATS_DATA, request.ext)
  const item = stats.find(statsName, statsKey)
  if (item === undefined) throw refuse(RESPONSE.SYSTEM_ERROR, `The stats <${statsName}> <${statsKey}> not exist`)
  const now = clock.now()
  return jsonAnswer(request, {
    statsDay: item.window('day', now),
    statsHour: item.window('hour', now),
    statsMinute: item.window('minute', now),
  })
}

/** All values are text; `clusterList` and `brokerStatus` read them by name. */
function runtimeTable(context: AdminContext, request: RemotingCommand): Record<string, string> {
  const { runtime, store, stats, clock } = context
  const disk = runtime.disk()
  const boot = runtime.bootTimestamp()
  const table: Record<string, string> = {
    ...runtime.more(request.ext?.[STAGE_COUNTS] === 'true'),
    ...stats.table(),
    brokerVersionDesc: VERSION_NAME,
    brokerVersion: String(OWN_VERSION),
    brokerActive: 'true',
    bootTimestamp: String(boot),
    runtime: runtimeText(clock.now() - boot),
    ...lineRows('sendThreadPoolQueue', runtime.sends()),
    ...lineRows('pullThreadPoolQueue', runtime.pulls()),
    ...lineRows('queryThreadPoolQueue', runtime.queries()),
    EndTransactionQueueSize: String(runtime.endTransactions().size),
    EndTransactionThreadPoolQueueCapacity: String(runtime.endTransactions().capacity),
    dispatchBehindBytes: String(store.dispatchBehindBytes()),
    dispatchMaxBuffer: '0',
    pageCacheLockTimeMills: String(runtime.pageCacheLockMs()),
    earliestMessageTimeStamp: String(runtime.earliestMessageTimestamp()),
    startAcceptSendRequestTimeStamp: String(runtime.startAcceptSendRequestTimeStamp()),
    remainTransientStoreBufferNumbs: NO_TRANSIENT_POOL,
    remainHowManyDataToFlush: byteText(runtime.bytesToFlush()),
    commitLogMinOffset: String(store.logMin()),
    commitLogMaxOffset: String(store.logMax()),
    commitLogDirCapacity: `Total : ${byteText(disk.totalBytes)}, Free : ${byteText(disk.freeBytes)}.`,
    commitLogDiskRatio: ratioText(disk.commitLogRatio),
    [`commitLogDiskRatio_${disk.commitLogPath}`]: ratioText(disk.commitLogRatio),
    consumeQueueDiskRatio: ratioText(disk.consumeQueueRatio),
  }
  for (const { level, offset, max } of runtime.delayProgress() ?? []) {
    table[`scheduleMessageOffset_${level}`] = `${offset},${max}`
  }
  return table
}

function lineRows(name: string, line: WaitingLine): Record<string, string> {
  return {
    [`${name}Size`]: String(line.size),
    [`${name}Capacity`]: String(line.capacity),
    [`${name}HeadWaitTimeMills`]: String(Math.round(line.headWaitMs)),
  }
}

/** "[ 0 days, 0 hours, 1 minutes, 21 seconds ]" */
export function runtimeText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const days = Math.floor(seconds / 86_400)
  const hours = Math.floor(seconds / 3_600) % 24
  const minutes = Math.floor(seconds / 60) % 60
  return `[ ${days} days, ${hours} hours, ${minutes} minutes, ${seconds % 60} seconds ]`
}

/** "627 B", "74.9 GiB". */
export function byteText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  const power = Math.min(6, Math.floor(Math.log2(bytes) / 10))
  return `${(bytes / 1024 ** power).toFixed(1)} ${'KMGTPE'[power - 1]}iB`
}

/** "0.27": two digits are what administrators look at. */
function ratioText(ratio: number): string {
  return String(Math.round(ratio * 100) / 100)
}
