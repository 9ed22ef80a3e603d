/**
 * A producer of transactions over one bare connection: half messages with the headers of Java's client, their ends, and the
 * checks that it is asked.
 */
import { RemotingClient, type RemotingCommand, request } from '../../../src/remoting/index.ts'
import { decodeRecord, type Message } from '../../../src/store/commitlog/index.ts'

export const COMMIT = 8
export const ROLLBACK = 12
export const UNKNOWN = 0

export interface HalfPlace {
  /** Queue offset in the half queue, and physical offset. */
  queueOffset: number
  physicalOffset: number
  offsetMsgId: string
  queueId: number
  code: number
  remark: string | undefined
}

export interface Check {
  ext: Record<string, string>
  message: Message
  place: Pick<HalfPlace, 'queueOffset' | 'physicalOffset'>
}

/** Producers that have joined their group: they go on with their heartbeats when the clock is moved. */
const online = new Set<TransactionClient>()

export async function heartbeats(): Promise<void> {
  await Promise.all([...online].map((client) => client.heartbeat()))
}

/** Whatever a test has left open. */
export async function allOffline(): Promise<void> {
  await Promise.all([...online].map((client) => client.close()))
}

export class TransactionClient {
  readonly checks: Check[] = []
  readonly remoting: RemotingClient
  readonly address: string
  readonly group: string
  /** What a check is answered with, by the body of the message; undefined: nothing. */
  answer: (check: Check) => number | undefined = () => undefined

  constructor(address: string, group = 'TxProducer') {
    this.address = address
    this.group = group
    this.remoting = new RemotingClient({ onRequest: (command) => this.asked(command) })
  }

  /** Joins its group: it is asked from now on. */
  async heartbeat(): Promise<void> {
    online.add(this)
    const body = {
      clientID: `client-${this.group}`,
      producerDataSet: [{ groupName: this.group }],
      consumerDataSet: [],
    }
    await this.invoke(34, {}, Buffer.from(JSON.stringify(body)))
  }

  async half(
    topic: string,
    body: string | Uint8Array,
    properties: Record<string, string> = {},
    more: Record<string, string> = {},
  ): Promise<HalfPlace> {
    const all = { TRAN_MSG: 'true', PGROUP: this.group, WAIT: 'true', UNIQ_KEY: `id-${body}`, ...properties }
    const text = Object.entries(all)
      .filter(([, value]) => value !== '')
      .map(([name, value]) => `${name}\u0001${value}`)
    const ext = {
      ...{ a: this.group, b: topic, c: 'TBW102', d: '4', e: '0', f: '4', g: String(Date.now()), h: '7' },
      ...{ i: text.join('\u0002'), j: '0', k: 'false', m: 'false', ...more },
    }
    const answer = await this.invoke(310, ext, Buffer.from(body))
    const offsetMsgId = answer.ext?.msgId ?? ''
    return {
      queueOffset: Number(answer.ext?.queueOffset),
      physicalOffset: offsetMsgId === '' ? -1 : Number.parseInt(offsetMsgId.slice(16), 16),
      offsetMsgId,
      queueId: Number(answer.ext?.queueId),
      code: answer.code,
      remark: answer.remark,
    }
  }

  /** 37 as a request, which Java sends one-way. */
  end(place: Pick<HalfPlace, 'queueOffset' | 'physicalOffset'>, how: number, more: Record<string, string> = {}) {
    return this.invoke(37, { ...endFields(this.group, place, how), ...more })
  }

  endOneway(place: Pick<HalfPlace, 'queueOffset' | 'physicalOffset'>, how: number) {
    return this.remoting.oneway(this.address, request(37, endFields(this.group, place, how)))
  }

  invoke(code: number, ext: Record<string, string> = {}, body?: Uint8Array): Promise<RemotingCommand> {
    return this.remoting.invoke(this.address, request(code, ext, body), 10_000)
  }

  close(): Promise<void> {
    online.delete(this)
    return this.remoting.close()
  }

  private asked(command: RemotingCommand): undefined {
    if (command.code !== 39) return
    const ext = command.ext ?? {}
    const message = decodeRecord(Buffer.from(command.body ?? []))
    if (message === undefined) throw new Error('a check without a record')
    const place = {
      queueOffset: Number(ext.tranStateTableOffset),
      physicalOffset: Number(ext.commitLogOffset),
    }
    const check = { ext, message, place }
    this.checks.push(check)
    const how = this.answer(check)
    if (how !== undefined) void this.end(place, how, { fromTransactionCheck: 'true' }).catch(() => {})
  }
}

function endFields(
  group: string,
  place: Pick<HalfPlace, 'queueOffset' | 'physicalOffset'>,
  how: number,
): Record<string, string> {
  return {
    producerGroup: group,
    tranStateTableOffset: String(place.queueOffset),
    commitLogOffset: String(place.physicalOffset),
    commitOrRollback: String(how),
    fromTransactionCheck: 'false',
    msgId: 'id',
  }
}
