/**
 * When claims in the submit ring are published, and when a ring that was full has room again.
 *
 *   claimed()     ─▶ one commit after all sockets that had something to read; a long batch in parts
 *   awaitRoom()   ─▶ the network's wake word asks append for a word, until roomAgain() is true once
 *
 * Called by: message-service.ts; claimed() once a send, so it allocates nothing.
 */
import type { RingProducer } from '../concurrency/byte-ring.ts'
import { ControlBlock, NETWORK } from '../concurrency/control-block.ts'
import { wakeAppend } from '../stages/wake-others.ts'

const ROOM_RETRY_MS = 1
/** 32 sends take the network thread about 0.1 ms. */
const UNCOMMITTED_MAX = 32

export interface SubmissionsOptions {
  control: ControlBlock
  submit: RingProducer
  /** Looks whether there is room. */
  pump(): void
  /** A turn of the event loop is over, or so much of it that append is told. */
  committed(): void
}

export class Submissions {
  private readonly options: SubmissionsOptions
  private isCommitDue = false
  /** Sends and definitions claimed since the last commit. */
  private uncommitted = 0
  private waitsForRoom = false
  private retry: NodeJS.Timeout | undefined
  private readonly commitAtEnd = (): void => {
    this.isCommitDue = false
    if (this.uncommitted > 0) this.commit()
  }

  constructor(options: SubmissionsOptions) {
    this.options = options
  }

  /**
   * After all sockets that had something to read, not after each: 64 connections with one send each are one batch for
   * append then. A long batch is published in parts, so that append works while the rest of it is read.
   */
  claimed(): void {
    this.uncommitted += 1
    if (this.uncommitted >= UNCOMMITTED_MAX) this.commit()
    if (this.isCommitDue) return
    this.isCommitDue = true
    setImmediate(this.commitAtEnd)
  }

  /** What the network thread sleeps on: whether it wants to hear of room, too. */
  get wakeWord(): number {
    return this.waitsForRoom ? NETWORK.append : NETWORK.gate
  }

  awaitRoom(): void {
    const { control, pump } = this.options
    this.commit()
    this.waitsForRoom = true
    Atomics.store(control.words, ControlBlock.index('network'), NETWORK.append)
    // Append may have made room, and looked for a sleeper, before the word said so; or it is not this ring that is full
    // (definitions, a closed fence), and nobody wakes this thread. Not at once: then it would spin as long as that lasts.
    if (this.hasRoom() && this.retry === undefined) {
      this.retry = setTimeout(() => {
        this.retry = undefined
        pump()
      }, ROOM_RETRY_MS)
    }
  }

  /** True once after each time that room was waited for and has come. */
  roomAgain(): boolean {
    if (!this.waitsForRoom || !this.hasRoom()) return false
    this.waitsForRoom = false
    return true
  }

  /**
   * Half free again: room for the largest claim and the padding before it (a quarter each). Waking for each record would
   * pause and resume sockets without end.
   */
  private hasRoom(): boolean {
    const { submit } = this.options
    return submit.used <= submit.capacity / 2
  }

  private commit(): void {
    const { submit, control, committed } = this.options
    this.uncommitted = 0
    committed()
    submit.commit()
    wakeAppend(control)
  }
}
