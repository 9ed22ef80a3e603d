/** One record for eyes or as a line of JSON. */
import { isUtf8 } from 'node:buffer'
import { ConfigError } from '../../errors.ts'
import type { InspectedMessage } from '../../inspect/index.ts'
import { bytesText, timeText } from '../table.ts'

export const BODY_FORMS = ['auto', 'text', 'json', 'hex', 'none'] as const
export type BodyForm = (typeof BODY_FORMS)[number]

/** Of a body for eyes; --json has all of it. */
const SHOWN_MAX = 512
/** The same of what is no text, unless it is asked for. */
const HEX_SHOWN_MAX = 64
const HEX_LINE = 16
const INDENT = '    '

export function bodyForm(text: string): BodyForm {
  if ((BODY_FORMS as readonly string[]).includes(text)) return text as BodyForm
  throw new ConfigError('BAD_OPTION', { what: `--body ${text} is unknown`, todo: `give ${BODY_FORMS.join(', ')}` })
}

export function messageText(message: InspectedMessage, form: BodyForm): string {
  const { physicalOffset, topic, queueId, queueOffset, size, storeTime, tags, keys, msgId, kinds, entry } = message
  const head = [
    String(physicalOffset),
    `${topic} ${queueId}:${queueOffset}`,
    `${size} B`,
    entry === undefined ? '' : `entry ${entry.index} of term ${entry.term}`,
    timeText(storeTime),
    ...kinds,
    tags === undefined ? '' : `tag ${tags}`,
    keys === undefined ? '' : `keys ${keys}`,
    msgId === undefined ? message.offsetMsgId : msgId,
  ]
  const others = Object.entries(message.properties).filter(([name]) => !['TAGS', 'KEYS', 'UNIQ_KEY'].includes(name))
  const lines = [head.filter((part) => part !== '').join('  ')]
  if (others.length > 0) lines.push(INDENT + others.map(([name, value]) => `${name}=${value}`).join('  '))
  if (!message.bodyIsIntact) lines.push(`${INDENT}! the body differs from its CRC`)
  if (form !== 'none') lines.push(...bodyLines(message, form))
  return `${lines.map(printable).join('\n')}\n`
}

/** `body` where it is text, else `bodyBase64`; with `json` as the value that it is. */
export function messageJson(message: InspectedMessage, form: BodyForm): Record<string, unknown> {
  const { body, ...rest } = message
  if (form === 'none') return rest
  if (form === 'hex') return { ...rest, bodyHex: body.toString('hex') }
  if (form === 'json') {
    const value = parsed(body)
    if (value !== undefined) return { ...rest, body: value }
  }
  return isUtf8(body) ? { ...rest, body: body.toString() } : { ...rest, bodyBase64: body.toString('base64') }
}

function bodyLines({ body, packed }: InspectedMessage, form: BodyForm): string[] {
  if (body.length === 0) return []
  const lines = packed === undefined ? [] : [`${INDENT}(${packed})`]
  const value = form === 'json' ? parsed(body) : undefined
  if (value !== undefined)
    return [
      ...lines,
      ...JSON.stringify(value, null, 2)
        .split('\n')
        .map((line) => INDENT + line),
    ]
  const isText = form === 'text' || (form !== 'hex' && isUtf8(body))
  const shown = body.subarray(0, isText || form === 'hex' ? SHOWN_MAX : HEX_SHOWN_MAX)
  if (isText)
    lines.push(
      ...shown
        .toString()
        .split('\n')
        .map((line) => INDENT + line),
    )
  else {
    for (let at = 0; at < shown.length; at += HEX_LINE) lines.push(hexLine(shown.subarray(at, at + HEX_LINE), at))
  }
  if (body.length > shown.length) lines.push(`${INDENT}… ${bytesText(body.length)} in all`)
  return lines
}

function hexLine(bytes: Buffer, at: number): string {
  const hex = bytes.toString('hex').replace(/(..)(..)?/g, '$1$2 ')
  const text = bytes.toString('latin1').replace(/[^\x20-\x7e]/g, '.')
  return `${INDENT}${at.toString(16).padStart(4, '0')}  ${hex.padEnd(40)}  ${text}`
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    return undefined
  }
}

/** What a sender put into a message must not steer the terminal. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\u00b7')
}
