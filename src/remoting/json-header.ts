/**
 * The JSON header (serialize type 0): spec/remoting.md §3.
 *
 * Reads keys in any order, ignores unknown ones, turns numbers and booleans in extFields into text.
 * Writes what Java writes: its key order, null left out, every extFields value as text.
 */
import { RemotingError } from '../errors.ts'
import { command, OWN_LANGUAGE, type RemotingCommand } from './command.ts'
import { parse, stringify, type Writable } from './fastjson.ts'

/** Header of bytes[start, end); its body is undefined. Throws RemotingError BAD_HEADER. */
export function decodeJsonHeader(bytes: Buffer, start: number, end: number): RemotingCommand {
  const text = bytes.toString('utf8', start, end)
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    parsed = dialect(text)
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw badHeader('is not a JSON object')
  const it = parsed as Record<string, unknown>
  return command(
    integer(it.code, 'code'),
    typeof it.language === 'string' ? it.language : OWN_LANGUAGE,
    integer(it.version, 'version'),
    integer(it.opaque, 'opaque'),
    integer(it.flag, 'flag'),
    typeof it.remark === 'string' ? it.remark : undefined,
    textFields(it.extFields),
    undefined,
    0,
  )
}

/** What Java's reader takes beyond JSON: control characters in texts, above all. */
function dialect(text: string): unknown {
  try {
    return parse(text)
  } catch (cause) {
    throw badHeader(`is not JSON: ${JSON.stringify(text.slice(0, 80))}`, cause)
  }
}

/** Absent numbers are 0, as in a new Java object. */
function integer(value: unknown, name: string): number {
  if (value === undefined || value === null) return 0
  const number = typeof value === 'string' ? Number(value) : value
  if (typeof number !== 'number' || (number | 0) !== number) throw badHeader(`has no 32-bit integer in ${name}`)
  return number | 0
}

function textFields(value: unknown): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'object' || Array.isArray(value)) throw badHeader('has no object in extFields')
  const fields = value as Record<string, unknown>
  for (const key of Object.keys(fields)) {
    const field = fields[key]
    if (typeof field === 'string') continue
    if (field === null) delete fields[key]
    else fields[key] = typeof field === 'object' ? nestedText(field) : String(field)
  }
  return fields as Record<string, string>
}

function nestedText(value: object): string {
  try {
    return stringify(value as Writable)
  } catch (cause) {
    throw badHeader('has members nested too deep', cause)
  }
}

/** The header as JSON text in Java's key order. */
export function encodeJsonHeader(it: RemotingCommand): string {
  const ext = it.ext === undefined ? '' : `"extFields":${JSON.stringify(it.ext)},`
  const remark = it.remark === undefined ? '' : `"remark":${JSON.stringify(it.remark)},`
  return (
    `{"code":${it.code},${ext}"flag":${it.flag},"language":${JSON.stringify(it.language)},"opaque":${it.opaque},` +
    `${remark}"serializeTypeCurrentRPC":"JSON","version":${it.version}}`
  )
}

function badHeader(what: string, cause?: unknown): RemotingError {
  return new RemotingError('BAD_HEADER', { what: `the frame's JSON header ${what}`, cause })
}
