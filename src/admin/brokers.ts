/** One broker: its configuration (26, 25) and its counters (315). */
import { request } from '../remoting/command.ts'
import { REQUEST } from '../remoting/request-codes.ts'
import { RESPONSE } from '../remoting/response-codes.ts'
import { VIEW_BROKER_STATS_DATA } from '../remoting/schemas/index.ts'
import type { AdminClient } from './admin-client.ts'
import { AdminError } from './admin-error.ts'
import { bodyOf, member, numberAt } from './json.ts'

export async function brokerConfig(admin: AdminClient, address: string): Promise<Map<string, string>> {
  const answer = await admin.ask(address, request(REQUEST.GET_BROKER_CONFIG))
  return readProperties(Buffer.from(answer.body ?? []).toString('utf8'))
}

/** "key=value" lines; Java's escapes of backslash and line ends only, which is all that values of brokers have. */
export function readProperties(text: string): Map<string, string> {
  const pairs = new Map<string, string>()
  for (const line of text.split('\n')) {
    const at = line.indexOf('=')
    if (at > 0 && !line.startsWith('#')) pairs.set(line.slice(0, at).trim(), line.slice(at + 1).trim())
  }
  return pairs
}

/**
 * UPDATE_BROKER_CONFIG (25). A broker passes over keys that it does not know: the caller looks first. The result is what it
 * remarks: ours names keys that wait for its next start.
 */
export async function setBrokerConfig(
  admin: AdminClient,
  address: string,
  changes: ReadonlyMap<string, string>,
): Promise<string | undefined> {
  const body = Buffer.from(propertiesText(changes))
  return (await admin.ask(address, request(REQUEST.UPDATE_BROKER_CONFIG, undefined, body))).remark
}

export function propertiesText(pairs: ReadonlyMap<string, string>): string {
  return [...pairs].map(([key, value]) => `${key}=${value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n`).join('')
}

/** As setBrokerConfig, and fails where the broker then says otherwise. */
export async function changeBrokerConfig(
  admin: AdminClient,
  address: string,
  changes: ReadonlyMap<string, string>,
): Promise<string | undefined> {
  const remark = await setBrokerConfig(admin, address, changes)
  const now = await brokerConfig(admin, address)
  const kept = [...changes].filter(([key, value]) => now.get(key) !== value)
  if (kept.length === 0) return remark
  throw new AdminError('NOT_CHANGED', {
    what: kept.map(([key, value]) => `${key} is ${now.get(key) ?? 'not there'}, not ${value}`).join(', '),
    where: address,
    todo: 'the broker took the request but not the value: set it in its file and start it again',
  })
}

export interface StatsWindow {
  sum: number
  tps: number
}

export interface Stats {
  minute: StatsWindow
  hour: StatsWindow
  day: StatsWindow
}

/** Undefined where the broker has counted nothing under that key. */
export async function brokerStats(
  admin: AdminClient,
  address: string,
  name: string,
  key: string,
): Promise<Stats | undefined> {
  const header = { statsName: name, statsKey: key }
  const answer = await admin.call(address, VIEW_BROKER_STATS_DATA, header, { also: [RESPONSE.SYSTEM_ERROR] })
  if (answer.code !== RESPONSE.SUCCESS) return undefined
  const body = bodyOf(answer)
  const window = (of: string): StatsWindow => ({
    sum: numberAt(member(body, of), 'sum'),
    tps: numberAt(member(body, of), 'tps'),
  })
  return { minute: window('statsMinute'), hour: window('statsHour'), day: window('statsDay') }
}
