/**
 * Members of DLedger as processes, each pair joined by cables that can be pulled, a load, and a judge.
 *
 *   n0 ──cable 01──▶ n1        what n0 asks n1, and n1's answers; n1 asks n0 over another
 *
 * Owns:      the processes, the cables, the writers, the list of what was acknowledged.
 * Judges:    one leader a term; an append is accepted within 2 s of each election; nothing that was acknowledged is lost or another;
 *            the logs are equal in the end; nobody ends who was not made to.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { ServerProcess } from '../../../src/bench/server-process.ts'
import { CODES } from '../../../src/dledger/core/index.ts'
import { openLog, settingsIn } from '../../dledger/log/support.ts'
import {
  type Acknowledged,
  DLedgerClient,
  eventually,
  GROUP,
  type ProcessOptions,
  peersOf,
  peersText,
  startMember,
} from '../../dledger/support.ts'
import { BadCable } from './bad-cable.ts'

export const FILES = { fileSize: 4 * 1024 * 1024, indexFileSize: 1024 * 1024 }
/** After an election, as row 28 asks. */
const ACCEPTED_MS_MAX = 2000
const WRITERS = 8
/** A writer asks somebody else then: whoever stands still does not answer. */
const ANSWER_MS = 500

export interface GroupOptions {
  folder: string
  flushBeforeAck: boolean
  /** Where members listen, if not on this machine's loopback with cables between them. */
  peers?: Record<string, string>
  /** The network namespace of a member. */
  netns?: Record<string, string>
}

export class DLedgerGroup implements AsyncDisposable {
  readonly client: DLedgerClient
  readonly acknowledged: Acknowledged[] = []
  private readonly options: GroupOptions
  private readonly cables = new Map<string, BadCable>()
  private readonly running = new Map<string, ServerProcess>()
  private isOver = false
  private writers: Promise<void>[] = []
  private next = 0
  /** When each accepted append was answered. */
  private readonly acceptedAt: number[] = []
  /** Who led in which term, and when that was seen. */
  private readonly leaders = new Map<number, { id: string; at: number }>()
  private readonly violations: string[] = []
  private readonly read = new Map<string, number>()
  private readonly watch: NodeJS.Timeout
  private hint: string

  private constructor(options: GroupOptions, peers: Record<string, string>) {
    this.options = options
    this.client = new DLedgerClient(peers)
    this.hint = Object.keys(peers)[0]!
    this.watch = setInterval(() => this.look(), 10)
  }

  static async start(options: GroupOptions): Promise<DLedgerGroup> {
    const group = new DLedgerGroup(options, options.peers ?? (await peersOf(3)))
    if (options.peers === undefined)
      for (const from of group.ids)
        for (const to of group.ids)
          if (from !== to) group.cables.set(from + to, await BadCable.to(group.client.peers[to]!, 'whole'))
    await Promise.all(group.ids.map((id) => group.startOne(id)))
    await group.client.findLeader()
    return group
  }

  get ids(): string[] {
    return Object.keys(this.client.peers)
  }

  others(id: string): string[] {
    return this.ids.filter((it) => it !== id)
  }

  folderOf(id: string): string {
    return join(this.options.folder, id, `dledger-${id}`)
  }

  async startOne(selfId: string): Promise<void> {
    const peers: Record<string, string> = { ...this.client.peers }
    for (const id of this.others(selfId)) peers[id] = this.cables.get(selfId + id)?.address ?? peers[id]!
    const options: ProcessOptions = {
      ...{ group: GROUP, selfId, peers: peersText(peers), storeBaseDir: join(this.options.folder, selfId) },
      ...{ flushBeforeAck: this.options.flushBeforeAck, files: FILES, fast: true },
    }
    this.running.set(selfId, await startMember(options, this.options.netns?.[selfId]))
    this.read.set(selfId, 0)
  }

  process(id: string): ServerProcess {
    return this.running.get(id)!
  }

  async kill(...ids: string[]): Promise<void> {
    const processes = ids.map((id) => this.process(id))
    // Whoever was killed does not count as one that ended by itself.
    for (const id of ids) this.running.delete(id)
    await Promise.all(processes.map((it) => it.kill()))
  }

  /** Waits for the end of a member that is about to end by itself: its status. */
  async ends(id: string): Promise<number | null> {
    const it = this.process(id)
    this.running.delete(id)
    const status = await Promise.race([it.exit, sleep(20_000).then(() => undefined)])
    if (status === undefined) throw new Error(`${id} goes on: ${it.tail()}`)
    return status
  }

  /** Nothing passes between `a` and `b` (from: only what a asks of b), and nobody is told. */
  cut(a: string, b: string, oneWay = false): void {
    this.cables.get(a + b)!.freeze()
    if (!oneWay) this.cables.get(b + a)!.freeze()
  }

  isolate(id: string): void {
    for (const other of this.others(id)) this.cut(id, other)
  }

  heal(): void {
    for (const cable of this.cables.values()) cable.thaw()
  }

  cable(from: string, to: string): BadCable {
    return this.cables.get(from + to)!
  }

  load(): void {
    this.isOver = false
    this.writers = Array.from({ length: WRITERS }, () => this.write())
  }

  async stopLoad(): Promise<void> {
    this.isOver = true
    await Promise.all(this.writers)
  }

  /** So many appends are accepted from now on. */
  async accepts(count = 50, timeoutMs = 20_000): Promise<void> {
    const before = this.acceptedAt.length
    await eventually(() => this.acceptedAt.length >= before + count, `${count} appends are accepted`, timeoutMs)
  }

  /** Who leads now, as most members say. */
  leader(): Promise<string> {
    return this.client.findLeader()
  }

  async term(): Promise<number> {
    this.look()
    return Math.max(...this.leaders.keys())
  }

  /** Everything is mended and runs: stops it, and judges. */
  async judge(): Promise<void> {
    await this.stopLoad()
    const stoppedAt = performance.now()
    const last = await this.client.append('the last one')
    this.acknowledged.push(last)
    await eventually(() => this.ids.every((id) => this.has(id, last)), 'the last entry is everywhere', 30_000)
    // The commit of the last follows it.
    await sleep(300)
    this.look()
    clearInterval(this.watch)
    for (const id of this.ids) expect(await this.process(id).stop(), `${id} stops`).toBe(true)
    this.running.clear()
    expect(this.violations).toEqual([])
    this.judgeElections(stoppedAt)
    this.judgeLogs()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isOver = true
    clearInterval(this.watch)
    await Promise.all([...this.running.values()].map((it) => it.kill()))
    await Promise.all([...this.cables.values()].map((it) => it[Symbol.asyncDispose]()))
    await this.client.close()
    await Promise.allSettled(this.writers)
  }

  private async write(): Promise<void> {
    const { ids, client } = this
    while (!this.isOver) {
      const id = this.hint
      const number = this.next++
      const body = `${number}-${'x'.repeat((number * 37) % 400)}`
      const answer = await client.tryAppend(id, body, ANSWER_MS)
      if (answer?.code === CODES.SUCCESS) {
        this.acknowledged.push({ index: answer.index!, pos: answer.pos!, body })
        this.acceptedAt.push(performance.now())
        continue
      }
      const { leaderId } = answer ?? {}
      if (this.hint === id)
        this.hint = leaderId !== undefined && leaderId !== id ? leaderId : ids[(ids.indexOf(id) + 1) % ids.length]!
      await sleep(10)
    }
  }

  /** What members have said since the last look: who leads which term. */
  private look(): void {
    for (const [id, it] of this.running) {
      if (it.ended) {
        this.violations.push(`${id} ended: ${it.tail()}`)
        this.running.delete(id)
        continue
      }
      const text = it.output()
      const fresh = text.slice(this.read.get(id))
      // A line may be half written.
      const whole = fresh.slice(0, fresh.lastIndexOf('\n') + 1)
      this.read.set(id, this.read.get(id)! + whole.length)
      for (const [, term] of whole.matchAll(/ is LEADER in term (\d+)/g)) this.leads(id, Number(term))
    }
  }

  private leads(id: string, term: number): void {
    const known = this.leaders.get(term)
    if (known !== undefined && known.id !== id) this.violations.push(`${known.id} and ${id} led term ${term}`)
    this.leaders.set(term, { id, at: performance.now() })
  }

  /** Only elections that stood, under load: a leader that fell within the time could not accept. */
  private judgeElections(stoppedAt: number): void {
    const elected = [...this.leaders.values()].sort((a, b) => a.at - b.at)
    elected.forEach(({ id, at }, i) => {
      const until = elected[i + 1]?.at ?? Number.POSITIVE_INFINITY
      if (
        Math.min(until, stoppedAt) - at < ACCEPTED_MS_MAX ||
        this.excused.some((it) => it.from <= at + ACCEPTED_MS_MAX && at <= it.to)
      )
        return
      const first = this.acceptedAt.find((it) => it >= at)
      expect(first === undefined ? undefined : first - at, `accepted after ${id} was elected`).toBeLessThan(
        ACCEPTED_MS_MAX,
      )
    })
  }

  /** Times in which there was no majority: nobody can have accepted. */
  readonly excused: { from: number; to: number }[] = []

  private judgeLogs(): void {
    const logs = this.ids.map((id) => openLog(settingsIn(join(this.options.folder, id), FILES, id)))
    try {
      const ends = logs.map((log) => `${log.endIndex} ${log.endPos}`)
      expect(new Set(ends).size, ends.join(', ')).toBe(1)
      const { endPos } = logs[0]!
      const lost: string[] = []
      for (const { index, pos, body } of this.acknowledged) {
        const entry = logs[0]!.entryAt(index)
        if (entry?.pos !== pos || Buffer.from(entry.body).toString() !== body)
          lost.push(`${index}: ${body.slice(0, 20)}`)
      }
      expect(lost).toEqual([])
      const [first, ...others] = this.ids.map((id) => this.bytes(id).subarray(0, endPos))
      for (const other of others) expect(Buffer.compare(first!, other)).toBe(0)
    } finally {
      for (const log of logs) log.close()
    }
  }

  private has(id: string, { pos, body }: Acknowledged): boolean {
    return this.bytes(id).toString('utf8', pos + 48, pos + 48 + body.length) === body
  }

  private bytes(id: string): Buffer {
    const folder = join(this.folderOf(id), 'data')
    return Buffer.concat(
      readdirSync(folder)
        .sort()
        .map((name) => readFileSync(join(folder, name))),
    )
  }
}
