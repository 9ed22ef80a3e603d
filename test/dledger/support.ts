/** A client of DLedger groups, and members in this process and in others. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freeBrokerPort } from '../../src/bench/ports.ts'
import { ServerProcess } from '../../src/bench/server-process.ts'
import { CODES, REQUEST_CODES } from '../../src/dledger/core/index.ts'
import type { MemberOptions } from '../../src/dledger/member.ts'
import { RemotingClient } from '../../src/remoting/client.ts'
import { request } from '../../src/remoting/command.ts'

export const GROUP = 'g1'
const PROGRAM = fileURLToPath(new URL('./member-process.mjs', import.meta.url))

export interface Answer {
  code: number
  index?: number
  pos?: number
  term?: number
  leaderId?: string
  peers?: Record<string, string>
  entries?: { index: number; pos: number; term: number; body: string }[]
}

export interface Acknowledged {
  index: number
  pos: number
  body: string
}

/** n0 … n(count − 1) on free ports of this machine. */
export async function peersOf(count: number): Promise<Record<string, string>> {
  const peers: Record<string, string> = {}
  for (let i = 0; i < count; i++) peers[`n${i}`] = `127.0.0.1:${await freeBrokerPort()}`
  return peers
}

export function peersText(peers: Record<string, string>): string {
  return Object.entries(peers)
    .map(([id, address]) => `${id}-${address}`)
    .join(';')
}

export class DLedgerClient {
  readonly peers: Record<string, string>
  private readonly client = new RemotingClient({ connectTimeoutMs: 1000 })
  private readonly group: string
  private leader: string | undefined

  constructor(peers: Record<string, string>, group = GROUP) {
    this.peers = peers
    this.group = group
  }

  async call(id: string, code: number, body: Record<string, unknown>, timeoutMs = 4000): Promise<Answer> {
    const text = JSON.stringify({ group: this.group, remoteId: id, ...body })
    const answer = await this.client.invoke(this.peers[id]!, request(code, undefined, Buffer.from(text)), timeoutMs)
    if (answer.body === undefined) throw new Error(`${id} answered ${code} with ${answer.code}: ${answer.remark}`)
    return JSON.parse(Buffer.from(answer.body).toString()) as Answer
  }

  /** The member that two of the others' answers, or its own, name as leader, and that takes itself for it. */
  async findLeader(timeoutMs = 20_000): Promise<string> {
    for (const until = performance.now() + timeoutMs; performance.now() < until; await sleep(20)) {
      for (const id of Object.keys(this.peers)) {
        const answer = await this.call(id, REQUEST_CODES.METADATA, {}, 1000).catch(() => undefined)
        if (answer?.leaderId === id) {
          this.leader = id
          return id
        }
      }
    }
    throw new Error(`no leader in ${timeoutMs} ms`)
  }

  /** Appends once; what became of it. */
  async tryAppend(id: string, body: string, timeoutMs?: number): Promise<Answer | undefined> {
    const text = Buffer.from(body).toString('base64')
    return await this.call(id, REQUEST_CODES.APPEND, { body: text }, timeoutMs).catch(() => undefined)
  }

  /** Appends until it is acknowledged, at whoever leads: it may be in the log more than once then. */
  async append(body: string): Promise<Acknowledged> {
    for (const until = performance.now() + 40_000; performance.now() < until; ) {
      const leader = this.leader ?? (await this.findLeader())
      const answer = await this.tryAppend(leader, body)
      if (answer?.code === CODES.SUCCESS) return { index: answer.index!, pos: answer.pos!, body }
      if (this.leader === leader) this.leader = undefined
      await sleep(50)
    }
    throw new Error(`"${body}" was not acknowledged in 40 s`)
  }

  async metadata(id: string): Promise<Answer> {
    return await this.call(id, REQUEST_CODES.METADATA, {})
  }

  async get(id: string, beginIndex: number): Promise<Answer> {
    return await this.call(id, REQUEST_CODES.GET, { beginIndex })
  }

  async transfer(from: string, to: string, term: number): Promise<Answer> {
    const body = { transferId: from, transfereeId: to, term }
    return await this.call(from, REQUEST_CODES.LEADERSHIP_TRANSFER, body, 8000)
  }

  async close(): Promise<void> {
    await this.client.close()
  }
}

/** `count` appends by `writers` at a time. */
export async function appendMany(
  client: DLedgerClient,
  name: string,
  count: number,
  writers = 16,
): Promise<Acknowledged[]> {
  const done: Acknowledged[] = []
  let next = 0
  const write = async () => {
    while (next < count) done.push(await client.append(`${name}-${next++}-${'x'.repeat((next * 37) % 400)}`))
  }
  await Promise.all(Array.from({ length: writers }, write))
  return done
}

export type ProcessOptions = Omit<MemberOptions, 'timers' | 'log' | 'clock' | 'onRole' | 'onCommit'> & { fast: boolean }

/** `netns`: in that network namespace. */
export async function startMember(options: ProcessOptions, netns?: string): Promise<ServerProcess> {
  mkdirSync(options.storeBaseDir, { recursive: true })
  const started = new ServerProcess({
    name: `member ${options.selfId}`,
    command: netns === undefined ? process.execPath : 'ip',
    args: [
      ...(netns === undefined ? [] : ['netns', 'exec', netns, process.execPath]),
      PROGRAM,
      JSON.stringify(options),
    ],
    cwd: options.storeBaseDir,
    log: join(options.storeBaseDir, 'out.log'),
  })
  for (const until = performance.now() + 20_000; !started.output().includes('ready'); await sleep(20))
    if (started.ended || performance.now() > until) throw new Error(`member did not start: ${started.tail()}`)
  return started
}

export async function eventually(
  check: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 20_000,
): Promise<void> {
  for (const until = performance.now() + timeoutMs; !(await check()); await sleep(20))
    if (performance.now() > until) throw new Error(`not in ${timeoutMs} ms: ${what}`)
}
