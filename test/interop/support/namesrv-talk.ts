/**
 * The same conversation with several NameServers, and what each answered, in a form that can be compared.
 *
 * What differs for no reason is taken out: the order of lists that come out of hash maps, integer keys bare or quoted, and
 * fields of 5.x that say nothing (false, null, empty). Everything else stays.
 */
import { parse } from '../../../src/remoting/fastjson.ts'
import { Peer } from '../../namesrv/peer.ts'

export interface Ask {
  code: number
  ext?: Record<string, string>
  body?: string | Uint8Array
  version?: number
}

export interface Said {
  code: number
  remark: string | undefined
  ext: Record<string, string>
  body: unknown
}

export class Talk {
  readonly port: number
  private readonly peers = new Map<string, Peer>()

  constructor(port: number) {
    this.port = port
  }

  /** Over the connection of that name, opened at its first use. */
  async ask(connection: string, { code, ext, body, version }: Ask): Promise<Said> {
    const peer = await this.peer(connection)
    const answer = await peer.ask(code, ext, body, version)
    return { code: answer.code, remark: answer.remark, ext: answer.ext ?? {}, body: comparable(answer.body) }
  }

  async peer(connection: string): Promise<Peer> {
    const known = this.peers.get(connection)
    if (known !== undefined) return known
    const made = await Peer.to(this.port)
    this.peers.set(connection, made)
    return made
  }

  async hangUp(connection: string): Promise<void> {
    await this.peers.get(connection)?.end()
    this.peers.delete(connection)
  }

  async end(): Promise<void> {
    for (const connection of [...this.peers.keys()]) await this.hangUp(connection)
  }
}

/** JSON as a value whose order means nothing; text as it is. */
export function comparable(body: Uint8Array | undefined): unknown {
  const text = Buffer.from(body ?? []).toString()
  if (text === '') return undefined
  try {
    return sorted(parse(text))
  } catch {
    return text
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted).sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([name, it]) => !(OF_5X.has(name) && (it === false || it === null)))
  return Object.fromEntries(
    entries.map(([name, it]) => [name, sorted(it)] as const).sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

const OF_5X: ReadonlySet<string> = new Set(['enableActingMaster', 'zoneName', 'topicQueueMappingByBroker'])
const key = (value: unknown) => JSON.stringify(value)
