/** Options and columns that several commands have. */
import type { BrokerAddress, QueueProgress } from '../../admin/index.ts'
import { timeText } from './format.ts'
import { type Given, type OptionSpec, usage } from './spec.ts'
import type { Column } from './table.ts'

export const WHERE: readonly OptionSpec[] = [
  { flags: '--cluster <name>', about: "only this cluster's brokers" },
  { flags: '-b, --broker <broker>', about: 'only this broker: name, name:id or host:port' },
]

export function whereOf(given: Given): { cluster: string | undefined; broker: string | undefined } {
  return { cluster: given.text('cluster'), broker: given.text('broker') }
}

export function brokerText({ name, id }: BrokerAddress): string {
  return id === 0 ? name : `${name}:${id}`
}

export const WATCH: readonly OptionSpec[] = [
  { flags: '--every <duration>', about: 'how often to look (2s)' },
  {
    flags: '--quiet <duration>',
    about: 'nothing must have come for so long; producers ask for routes every 30 s (35s)',
  },
  { flags: '--wait <duration>', about: 'give up after so long, without undoing anything (forever)' },
  { flags: '--ignore-group <group>', about: 'do not wait for this group', many: true },
]

/** A permission as people write it: 6, "rw", "r", "w", "none". */
export function parsePerm(text: string): number {
  if (/^[0-7]$/.test(text)) return Number(text)
  if (text === 'none' || text === '-') return 0
  if (/^[rwi]+$/.test(text)) {
    return (text.includes('r') ? 4 : 0) | (text.includes('w') ? 2 : 0) | (text.includes('i') ? 1 : 0)
  }
  throw usage(`"${text}" is no permission`, 'give rw, r, w, none, or 6, 4, 2, 0')
}

export function parseBool(text: string, flag: string): boolean {
  if (/^(true|yes|on)$/i.test(text)) return true
  if (/^(false|no|off)$/i.test(text)) return false
  throw usage(`${flag} is "${text}", expected true or false`)
}

export const PROGRESS_COLUMNS: readonly Column<QueueProgress>[] = [
  { title: 'topic', of: ({ topic }) => topic },
  { title: 'broker', of: ({ brokerName }) => brokerName },
  { title: 'queue', of: ({ queueId }) => queueId },
  { title: 'end', of: ({ brokerOffset }) => brokerOffset },
  { title: 'consumed', of: ({ consumerOffset }) => consumerOffset },
  { title: 'lag', of: ({ brokerOffset, consumerOffset }) => Math.max(0, brokerOffset - consumerOffset) },
  { title: 'last consumed of', of: ({ lastTimestamp }) => timeText(lastTimestamp) },
]

const NAME = /^[%|a-zA-Z0-9_-]+$/
const NAME_MAX = { topic: 127, group: 255 }

/** RocketMQ's rule. Brokers of 4.9 look at topics' names, and take any name of a group, with which no client can work. */
export function checkName(kind: 'topic' | 'group', name: string): void {
  const max = NAME_MAX[kind]
  if (NAME.test(name) && name.length <= max) return
  throw usage(
    `${JSON.stringify(name.slice(0, 300))} can be no name of a ${kind}`,
    `letters, digits, _ - % and | are allowed, up to ${max} of them`,
  )
}
