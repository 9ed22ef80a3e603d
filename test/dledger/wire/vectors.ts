/** DLedger bodies as real members sent them: test/vectors/dledger-0.3.1.2/wire. */
import { readdirSync, readFileSync } from 'node:fs'

export interface Body {
  link: string
  isRequest: boolean
  /** Request code, also of the request that an answer answers. */
  code: number
  headerCode: number
  bytes: Buffer
  /** Body of the request that this answers. */
  request: Buffer | undefined
}

interface Line {
  kind: string
  link: string
  conn: number
  opaque: number
  offset: number
  bodyOffset: number
  bodyLength: number
  answers?: number
  header?: { code: number }
}

const ROOT = new URL('../../vectors/dledger-0.3.1.2/wire/', import.meta.url)

export const SCENARIOS = readdirSync(ROOT).sort()

export function bodiesOf(scenario: string): Body[] {
  const all = readFileSync(new URL(`${scenario}/frames.bin`, ROOT))
  const lines = readFileSync(new URL(`${scenario}/index.jsonl`, ROOT), 'utf8')
    .trim()
    .split('\n')
  const asked = new Map<string, Buffer>()
  const bodies: Body[] = []
  for (const line of lines.map((it) => JSON.parse(it) as Line)) {
    const isRequest = line.kind === 'request'
    if (line.header === undefined || !(line.bodyLength > 0)) continue
    const code = isRequest ? line.header.code : (line.answers ?? -1)
    if (code < 50000 || code > 51005) continue
    const from = line.offset + line.bodyOffset
    const bytes = all.subarray(from, from + line.bodyLength)
    const key = `${line.conn} ${line.opaque}`
    if (isRequest) asked.set(key, bytes)
    const request = isRequest ? undefined : asked.get(key)
    bodies.push({ link: line.link, isRequest, code, headerCode: line.header.code, bytes, request })
  }
  return bodies
}
