/** The JVM-like member's process, disk and calls: all but elections (jvm-member.ts) and pushes (jvm-push.ts). */
import type { MemberRequest, MemberResponse } from '../../src/dledger/core/index.ts'
import type { Checker } from './checker.ts'
import { Disk, type HardState } from './disk.ts'
import type { SimEntry } from './entries.ts'
import { JVM } from './jvm-timers.ts'
import type { Member, Surroundings } from './member.ts'
import type { Random } from './random.ts'
import { SimProcess } from './sim-process.ts'
import type { Timeline } from './timeline.ts'

export abstract class JvmProcess extends SimProcess {
  readonly index: number
  readonly id: string
  readonly peers: readonly string[]
  readonly disk: Disk
  term = 0
  commitIndex = -1
  protected voteFor: string | undefined
  protected readonly world: Surroundings
  protected readonly checker: Checker
  /** What a power loss finds in the currterm file. */
  private hardOnDisk: HardState = { term: 0, voteFor: undefined }

  constructor(
    peers: readonly string[],
    index: number,
    timeline: Timeline,
    random: Random,
    world: Surroundings,
    checker: Checker,
  ) {
    super(timeline, random)
    this.peers = peers
    this.index = index
    this.id = peers[index]!
    this.world = world
    this.checker = checker
    this.disk = new Disk(random, true)
  }

  abstract get isLeader(): boolean
  protected abstract asMember(): Member

  get now(): number {
    return this.timeline.now
  }

  get log(): readonly SimEntry[] {
    return this.disk.entries
  }

  get syncedLength(): number {
    return this.disk.synced
  }

  get quorum(): number {
    return Math.floor(this.peers.length / 2) + 1
  }

  diskFull(isFull: boolean): void {
    this.disk.isFull = isFull
  }

  diskSlow(): void {
    // Nothing waits for its disk.
  }

  clock(): void {
    // Its wall clock is that of the world here.
  }

  reached(): void {
    // It does not look at connections.
  }

  cut(from: number): void {
    this.checker.truncates(this.id, from, this.commitIndex)
    this.world.trace(() => `${this.id} cuts its log at ${from}, of ${this.disk.entries.length}`)
    this.disk.cut(from)
  }

  call(peer: number, request: MemberRequest, answered: (response: MemberResponse | undefined) => void): void {
    const { life } = this
    let isOpen = true
    const once = (response: MemberResponse | undefined) => {
      if (!isOpen || life !== this.life) return
      isOpen = false
      this.inThisLife(() => answered(response))
    }
    this.world.call(this.index, peer, request, once)
    this.later(JVM.callMs, () => once(undefined))
  }

  others(): number[] {
    return this.peers.map((_, i) => i).filter((i) => i !== this.index)
  }

  base(peer: number) {
    return { group: 'g', remoteId: this.peers[peer], localId: this.id, leaderId: this.id, term: this.term }
  }

  protected every(ms: number, run: () => void): void {
    this.later(ms * (0.9 + this.random.unit() * 0.2), () => {
      run()
      this.every(ms, run)
    })
  }

  powerLoss(): void {
    this.end()
    this.disk.powerLoss()
    // Never synced: as the kernel wrote it back, or lost between delete and rename.
    if (this.random.chance(0.2)) this.hardOnDisk = { term: 0, voteFor: undefined }
    this.disk.hard = this.hardOnDisk
  }

  kill(): void {
    this.end()
    this.disk.killed()
  }

  protected persist(): void {
    this.disk.hard = { term: this.term, voteFor: this.voteFor }
    const written = this.disk.hard
    this.passes('persist')
    this.timeline.after(this.random.unit() * JVM.writeBackMs, () => {
      if (written.term >= this.hardOnDisk.term) this.hardOnDisk = written
    })
  }

  write(entry: SimEntry): void {
    this.checker.written(this.id, entry, this.disk.entries[entry.index - 1])
    this.disk.append(entry)
    this.passes('append')
  }

  updateCommitted(term: number, index: number): void {
    const to = Math.min(index, this.disk.endIndex)
    if (to < 0 || term < this.term || to <= this.commitIndex) return
    const before = this.commitIndex
    this.commitIndex = to
    if (this.isLeader) this.passes('commit')
    this.world.committed(this.asMember(), before, to)
  }
}
