/** The frames that real brokers, NameServers and clients sent: test/vectors/rocketmq-4.9.8/wire-*. */
import { readdirSync, readFileSync } from 'node:fs'

export interface RecordedFrame {
  n: number
  kind: string
  code: number
  opaque: number
  answers?: number
  bodyOffset: number
  bodyLength: number
  header: {
    code: number
    language: string | number
    version: number
    opaque: number
    flag: number
    remark?: string
    extFields?: Record<string, string>
  }
  /** The frame, its 4-byte length included. */
  bytes: Buffer
}

const ROOT = new URL('../vectors/rocketmq-4.9.8/', import.meta.url)

/** `wire-json/send` and so on; ha frames that are not of this protocol are left out. */
export const SCENARIOS = ['wire-json', 'wire-rocketmq'].flatMap((tree) =>
  readdirSync(new URL(`${tree}/`, ROOT)).map((name) => `${tree}/${name}`),
)

export function framesOf(scenario: string): RecordedFrame[] {
  const all = readFileSync(new URL(`${scenario}/frames.bin`, ROOT))
  return readFileSync(new URL(`${scenario}/index.jsonl`, ROOT), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter((it) => it.header !== undefined)
    .map((it) => ({ ...it, bytes: all.subarray(it.offset, it.offset + it.length) }))
}

/** A JSON frame with that header text. */
export function jsonFrame(header: string, body: Uint8Array = Buffer.alloc(0)): Buffer {
  const text = Buffer.from(header)
  const start = Buffer.alloc(8)
  start.writeInt32BE(4 + text.length + body.length, 0)
  start.writeInt32BE(text.length, 4)
  return Buffer.concat([start, text, body])
}
