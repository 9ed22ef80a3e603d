/** Messages as text and as JSON. */
import { bodyOfMessage, idOf, type Message } from '../../admin/index.ts'
import { timeText } from './format.ts'
import { facts, plain } from './table.ts'

const HEADLINE_MAX = 60

/** The body's text where it is one, else undefined. */
function textOf(body: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    return /[\u0000-\u0008\u000e-\u001f]/.test(text) ? undefined : text
  } catch {
    return undefined
  }
}

/** The beginning of the body, on one line. */
export function headline(message: Message): string {
  const { body, note } = bodyOfMessage(message)
  if (note !== undefined) return `(${note})`
  const text = textOf(body)
  if (text === undefined) return `(${body.length} bytes: ${Buffer.from(body.subarray(0, 16)).toString('hex')}…)`
  const line = plain(text.slice(0, HEADLINE_MAX + 1))
  return line.length > HEADLINE_MAX ? `${line.slice(0, HEADLINE_MAX)}…` : line
}

const host = ({ address, port }: Message['bornHost']) =>
  address.length === 4
    ? `${address.join('.')}:${port}`
    : `[${(Buffer.from(address).toString('hex').match(/..../g) ?? []).join(':')}]:${port}`

export function jsonOf(message: Message): Record<string, unknown> {
  const { body, note } = bodyOfMessage(message)
  const text = textOf(body)
  return {
    offsetMsgId: idOf(message),
    msgId: message.properties.get('UNIQ_KEY'),
    topic: message.topic,
    queueId: message.queueId,
    queueOffset: message.queueOffset,
    physicalOffset: message.physicalOffset,
    bornTimestamp: message.bornTimestamp,
    bornHost: host(message.bornHost),
    storeTimestamp: message.storeTimestamp,
    storeHost: host(message.storeHost),
    reconsumeTimes: message.reconsumeTimes,
    sysFlag: message.sysFlag,
    flag: message.flag,
    properties: Object.fromEntries(message.properties),
    bodyIsIntact: message.bodyIsIntact,
    ...(text === undefined || note !== undefined
      ? { bodyBase64: Buffer.from(body).toString('base64') }
      : { body: text }),
    ...(note === undefined ? {} : { bodyNote: note }),
  }
}

export function show(message: Message, hex: boolean): string {
  const { body, note } = bodyOfMessage(message)
  const head = facts([
    ['topic', message.topic],
    ['queue', message.queueId],
    ['queue offset', message.queueOffset],
    ['offsetMsgId', idOf(message)],
    ['id', message.properties.get('UNIQ_KEY')],
    ['born', `${timeText(message.bornTimestamp)} at ${host(message.bornHost)}`],
    [
      'stored',
      `${timeText(message.storeTimestamp)} at ${host(message.storeHost)}, byte ${message.physicalOffset} of the log`,
    ],
    ['retries', message.reconsumeTimes],
    [
      'body',
      `${message.body.length} bytes${message.bodyIsIntact ? '' : ', DAMAGED: its CRC is wrong'}${note === undefined ? '' : `, ${note}`}`,
    ],
  ])
  const properties = facts([...message.properties].map(([name, value]) => [`  ${name}`, value] as const))
  const text = hex || note !== undefined ? undefined : textOf(body)
  return `${head}properties\n${properties}\n${text === undefined ? dump(body) : `${text}\n`}`
}

const ROW = 16
const DUMP_MAX = 4096

function dump(body: Uint8Array): string {
  const lines: string[] = []
  for (let at = 0; at < Math.min(body.length, DUMP_MAX); at += ROW) {
    const part = Buffer.from(body.subarray(at, at + ROW))
    const pairs = [...part].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const letters = part.toString('latin1').replace(/[^\x20-\x7e]/g, '.')
    lines.push(`${at.toString(16).padStart(8, '0')}  ${pairs.padEnd(ROW * 3 - 1)}  ${letters}\n`)
  }
  if (body.length > DUMP_MAX) lines.push(`… ${body.length - DUMP_MAX} bytes more: --output FILE writes all\n`)
  return lines.join('')
}
