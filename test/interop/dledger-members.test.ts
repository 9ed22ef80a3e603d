/**
 * Groups of our members and those of the JVM (dledger-0.3.1.2): each leads, each is killed while it leads, nothing acknowledged is
 * lost, all data files are the same bytes afterwards. Then each opens what the other kind wrote.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { ServerProcess } from '../../src/bench/server-process.ts'
import { CODES } from '../../src/dledger/core/index.ts'
import { logSettings } from '../../src/dledger/log/index.ts'
import { ENTRY_HEADER_SIZE } from '../../src/dledger/wire/index.ts'
import { runJava } from '../../tools/apache/java.mjs'
import { openLog } from '../dledger/log/support.ts'
import {
  type Acknowledged,
  appendMany,
  DLedgerClient,
  eventually,
  GROUP,
  peersOf,
  peersText,
  startMember,
} from '../dledger/support.ts'
import { apacheIsThere, ORACLE, Scratch } from './support/systems.ts'

type Kind = 'basalt' | 'jvm'
const FILES = { fileSize: 256 * 1024, indexFileSize: 32 * 1024 }
const scratch = new Scratch()
afterAll(() => scratch.remove())

class Group {
  readonly folder = scratch.sub('group')
  readonly client: DLedgerClient
  readonly acknowledged: Acknowledged[] = []
  private readonly kinds: Record<string, Kind>
  private readonly running = new Map<string, ServerProcess | ReturnType<typeof runJava>>()
  private isOver = false

  constructor(peers: Record<string, string>, kinds: Record<string, Kind>) {
    this.client = new DLedgerClient(peers)
    this.kinds = kinds
  }

  get ids(): string[] {
    return Object.keys(this.kinds)
  }

  async start(id: string): Promise<void> {
    const peers = peersText(this.client.peers)
    const storeBaseDir = join(this.folder, id)
    if (this.kinds[id] === 'basalt') {
      const options = { group: GROUP, selfId: id, peers, storeBaseDir, flushBeforeAck: true, files: FILES, fast: false }
      this.running.set(id, await startMember(options))
      return
    }
    const { fileSize, indexFileSize } = FILES
    const args = [GROUP, id, peers, storeBaseDir, String(fileSize), String(indexFileSize)]
    const started = runJava({ version: ORACLE, main: 'DLedgerMember', args, folder: scratch.sub(`jvm-${id}`) })
    this.running.set(id, started)
    await started.until('ready')
  }

  async startAll(): Promise<void> {
    await Promise.all(this.ids.map((id) => this.start(id)))
  }

  swapKinds(): void {
    for (const id of this.ids) this.kinds[id] = this.kinds[id] === 'basalt' ? 'jvm' : 'basalt'
  }

  /** kill -9. */
  async kill(...ids: string[]): Promise<void> {
    await Promise.all(ids.map((id) => this.running.get(id)?.kill()))
    for (const id of ids) this.running.delete(id)
  }

  /** Appends until stopLoad(). */
  async load(name: string): Promise<void> {
    this.isOver = false
    for (let round = 0; !this.isOver; round++)
      this.acknowledged.push(...(await appendMany(this.client, `${name}${round}`, 50, 8)))
  }

  stopLoad(): void {
    this.isOver = true
  }

  /** Asks until it leads: a transferee may be too far behind, or the leader may change. */
  async giveLeadership(to: string): Promise<void> {
    await eventually(
      async () => {
        const from = await this.client.findLeader()
        if (from === to) return true
        const { term } = (await this.client.tryAppend(from, 'which term?')) ?? {}
        if (term === undefined) return false
        const answer = await this.client.transfer(from, to, term).catch(() => undefined)
        return answer?.code === CODES.SUCCESS
      },
      `${to} leads`,
      40_000,
    )
  }

  async close(): Promise<void> {
    await this.kill(...this.ids)
    await this.client.close()
  }

  /** All were killed when nothing was under way: the same bytes up to the same end, and every acknowledged entry. */
  compare(): void {
    const before = this.ids.map((id) => this.data(id))
    const logs = this.ids.map((id) => openLog(logSettings(join(this.folder, id, `dledger-${id}`), FILES)))
    const { endIndex, endPos } = logs[0]!
    for (const log of logs) {
      expect([log.endIndex, log.endPos]).toEqual([endIndex, endPos])
      for (const { index, pos, body } of this.acknowledged) {
        const entry = log.entryAt(index)
        expect({ pos: entry?.pos, body: Buffer.from(entry?.body ?? []).toString() }).toEqual({ pos, body })
      }
      log.close()
    }
    const [first, ...others] = before.map((bytes) => bytes.subarray(0, endPos))
    for (const other of others) expect(Buffer.compare(first!, other)).toBe(0)
  }

  /** What was acknowledged last is everywhere: nothing is under way any more. */
  async settle(): Promise<void> {
    const { pos, body } = this.acknowledged.reduce((last, it) => (it.index > last.index ? it : last))
    const start = pos + ENTRY_HEADER_SIZE
    const has = (id: string) => this.data(id).toString('utf8', start, start + body.length) === body
    await eventually(() => this.ids.every(has), 'the last entry is in every log', 30_000)
  }

  private data(id: string): Buffer {
    const folder = join(this.folder, id, `dledger-${id}`, 'data')
    return Buffer.concat(
      readdirSync(folder)
        .sort()
        .map((name) => readFileSync(join(folder, name))),
    )
  }
}

describe.skipIf(!apacheIsThere(ORACLE))('members of a DLedger group', () => {
  test.concurrent('a member with dLedgerFastElection gives up among those of the JVM, which go on', async () => {
    const group = new Group(await peersOf(3), { n0: 'basalt', n1: 'jvm', n2: 'jvm' })
    try {
      await Promise.all(['n1', 'n2'].map((id) => group.start(id)))
      const peers = peersText(group.client.peers)
      const storeBaseDir = join(group.folder, 'n0')
      const fast = { group: GROUP, selfId: 'n0', peers, storeBaseDir, flushBeforeAck: true, files: FILES, fast: true }
      const member = await startMember(fast)
      await eventually(() => member.ended, 'it gives up', 30_000)
      expect(member.tail()).toMatch(
        /dLedgerFastElection=true, but DLedger member n[12] \(127.0.0.1:\d+\) is no Basalt broker/,
      )
      expect(await appendMany(group.client, 'without it', 20)).toHaveLength(20)
    } finally {
      await group.close()
    }
  })

  test.concurrent.each<{ name: string; kinds: Record<string, Kind> }>([
    { name: 'one of ours, two of the JVM', kinds: { n0: 'basalt', n1: 'jvm', n2: 'jvm' } },
    { name: 'two of ours, one of the JVM', kinds: { n0: 'basalt', n1: 'basalt', n2: 'jvm' } },
  ])('$name', async ({ name, kinds }) => {
    const group = new Group(await peersOf(3), { ...kinds })
    try {
      const began = performance.now()
      const told = (what: string) => console.log(`${name}: ${what} at ${Math.round(performance.now() - began)} ms`)
      await group.startAll()
      told(`first leader ${await group.client.findLeader()}`)
      const load = group.load('a')
      for (const id of group.ids) {
        await group.giveLeadership(id)
        const before = group.acknowledged.length
        await eventually(() => group.acknowledged.length >= before + 100, `${id} leads and appends are acknowledged`)
        await group.kill(id)
        told(`${id} (${kinds[id]}) killed as leader, ${group.acknowledged.length} acknowledged`)
        const killedAt = performance.now()
        await eventually(async () => (await group.client.findLeader()) !== id, 'somebody else leads')
        told(`next leader after ${Math.round(performance.now() - killedAt)} ms`)
        await group.start(id)
      }
      await eventually(() => group.acknowledged.length >= 2000, '2,000 appends', 30_000)
      group.stopLoad()
      await load
      await group.settle()
      await group.kill(...group.ids)
      told(`${group.acknowledged.length} acknowledged in all`)
      group.compare()
      // Each goes on from the files of the other kind.
      group.swapKinds()
      await group.startAll()
      group.acknowledged.push(...(await appendMany(group.client, 'swapped', 60)))
      await group.settle()
      await group.kill(...group.ids)
      group.compare()
      told('files swapped')
    } finally {
      group.stopLoad()
      await group.close()
    }
  })
})
