/**
 * The binary header (serialize type 1, "ROCKETMQ"): spec/remoting.md §4.
 *
 *   0   2  code (int16)        5   4  opaque             13  4  remark length, remark (UTF-8)
 *   2   1  language            9   4  flag                   4  length of the map, in bytes
 *   3   2  version                                              { 2 key length, key, 4 value length, value }
 *
 * An empty text is read as absent, as Java does.
 */
import { RemotingError } from '../errors.ts'
import { command, LANGUAGES, type RemotingCommand } from './command.ts'

const REMARK_AT = 13

/** Header of bytes[start, end); its body is undefined. Throws RemotingError BAD_HEADER. */
export function decodeBinaryHeader(bytes: Buffer, start: number, end: number): RemotingCommand {
  if (end - start < REMARK_AT + 8) throw badHeader(`has ${end - start} bytes, expected at least ${REMARK_AT + 8}`)
  const remarkLength = bytes.readInt32BE(start + REMARK_AT)
  const remarkAt = start + REMARK_AT + 4
  if (remarkLength < 0 || remarkLength > end - remarkAt - 4)
    throw badHeader(`declares a remark of ${remarkLength} bytes`)
  const mapLength = bytes.readInt32BE(remarkAt + remarkLength)
  const mapAt = remarkAt + remarkLength + 4
  if (mapLength < 0 || mapLength > end - mapAt) throw badHeader(`declares fields of ${mapLength} bytes`)
  return command(
    bytes.readInt16BE(start),
    LANGUAGES[bytes[start + 2]] ?? 'OTHER',
    bytes.readInt16BE(start + 3),
    bytes.readInt32BE(start + 5),
    bytes.readInt32BE(start + 9),
    remarkLength === 0 ? undefined : bytes.toString('utf8', remarkAt, remarkAt + remarkLength),
    mapLength === 0 ? undefined : decodeMap(bytes, mapAt, mapAt + mapLength),
    undefined,
    1,
  )
}

function decodeMap(bytes: Buffer, start: number, end: number): Record<string, string> {
  const fields: Record<string, string> = {}
  let at = start
  while (at < end) {
    if (end - at < 2) throw badHeader('ends within a field')
    const keyLength = bytes.readInt16BE(at)
    const keyEnd = at + 2 + keyLength
    if (keyLength < 0 || keyEnd + 4 > end) throw badHeader(`declares a field name of ${keyLength} bytes`)
    const valueLength = bytes.readInt32BE(keyEnd)
    const valueEnd = keyEnd + 4 + valueLength
    if (valueLength < 0 || valueEnd > end) throw badHeader(`declares a field value of ${valueLength} bytes`)
    if (keyLength > 0 && valueLength > 0) {
      setField(fields, bytes.toString('utf8', at + 2, keyEnd), bytes.toString('utf8', keyEnd + 4, valueEnd))
    }
    at = valueEnd
  }
  return fields
}

function setField(fields: Record<string, string>, key: string, value: string): void {
  if (key !== '__proto__') fields[key] = value
  else Object.defineProperty(fields, key, { value, enumerable: true, writable: true, configurable: true })
}

/** Length of the header in bytes. */
export function binaryHeaderLength(it: RemotingCommand): number {
  let length = REMARK_AT + 8
  if (it.remark !== undefined) length += Buffer.byteLength(it.remark)
  for (const key in it.ext) length += 6 + Buffer.byteLength(key) + Buffer.byteLength(it.ext[key])
  return length
}

/** Writes the header at `at`; `length` is binaryHeaderLength(it). Throws RemotingError when the code needs more than 16 bits. */
export function encodeBinaryHeader(it: RemotingCommand, out: Buffer, at: number, length: number): void {
  if (it.code !== (it.code << 16) >> 16) throw badHeader(`cannot hold code ${it.code} (16 bits); send it as JSON`)
  const language = LANGUAGES.indexOf(it.language as (typeof LANGUAGES)[number])
  out.writeInt16BE(it.code, at)
  out[at + 2] = language < 0 ? LANGUAGES.indexOf('OTHER') : language
  out.writeInt16BE(it.version, at + 3)
  out.writeInt32BE(it.opaque, at + 5)
  out.writeInt32BE(it.flag, at + 9)
  const remarkLength = it.remark === undefined ? 0 : out.write(it.remark, at + REMARK_AT + 4)
  out.writeInt32BE(remarkLength, at + REMARK_AT)
  let next = at + REMARK_AT + 4 + remarkLength + 4
  out.writeInt32BE(at + length - next, next - 4)
  for (const key in it.ext) {
    const keyLength = out.write(key, next + 2)
    if (keyLength > 0x7fff) throw badHeader(`cannot hold a field name of ${keyLength} bytes (32767)`)
    out.writeInt16BE(keyLength, next)
    next += 2 + keyLength
    const valueLength = out.write(it.ext[key], next + 4)
    out.writeInt32BE(valueLength, next)
    next += 4 + valueLength
  }
}

function badHeader(what: string): RemotingError {
  return new RemotingError('BAD_HEADER', { what: `the frame's binary header ${what}` })
}
