/**
 * The fence: the only way in which positions move back (a Raft truncation, a change of role).
 *
 *   owner                               append                          network
 *   close(): fence = closing ────────▶  drains its rings, publishes,    claims nothing while the
 *   waits          ◀──────── fence = drained, sleeps                    fence is not open
 *   waits for flush to reach append     (no sync is under way then whose end would move `flushed` over the new tail)
 *                                                                       acks.truncate(tail)
 *   open(tail): tail and epoch move,
 *   fence = open ────────────────────▶  goes on at the new tail         claims with the new epoch
 *
 * A record that was claimed before the fence and committed after it carries the old epoch: append refuses it, so no entry
 * of an old term lands behind the tail of a new one.
 */
import { assert } from '../assert.ts'
import { ControlBlock } from './control-block.ts'
import { wakeUrgently } from './wake.ts'

const FLUSH_POLL_MS = 1

export const FENCE = { open: 0, closing: 1, drained: 2 } as const

export class Fence {
  private readonly control: ControlBlock

  constructor(control: ControlBlock) {
    this.control = control
  }

  /**
   * Closes the fence and waits until append has drained its rings and flush has nothing left; returns append's tail, or
   * undefined when they were not done in time (the fence stays closed: call again, or end). Blocks: never on the network
   * thread.
   */
  close(timeoutMs: number): number | undefined {
    const { control } = this
    const word = ControlBlock.index('fence')
    const until = performance.now() + timeoutMs
    if (control.word('fence') === FENCE.open) control.setWord('fence', FENCE.closing)
    wakeUrgently(control.words, ControlBlock.index('append'))
    Atomics.wait(control.words, word, FENCE.closing, timeoutMs)
    if (control.word('fence') !== FENCE.drained) return undefined
    const tail = control.load('appended')
    while (control.load('flushed') < tail) {
      if (performance.now() >= until) return undefined
      wakeUrgently(control.words, ControlBlock.index('flush'))
      Atomics.wait(control.words, word, FENCE.drained, FLUSH_POLL_MS)
    }
    return tail
  }

  /** Raises the epoch, moves the tail and whatever stands above it, and opens. */
  open(tail: number): void {
    const { control } = this
    assert(control.word('fence') === FENCE.drained, 'a fence is opened after append has drained')
    // First the tail: flush, which looks at any time, would sync up to the old one and call that flushed.
    control.writer('appended').reset(tail)
    for (const name of ['settled', 'dispatched', 'flushed', 'replicated'] as const) {
      if (control.load(name) > tail) control.writer(name).reset(tail)
    }
    Atomics.add(control.words, ControlBlock.index('epoch'), 1)
    control.setWord('fence', FENCE.open)
    wakeUrgently(control.words, ControlBlock.index('append'))
  }
}

/** Append's half: says that the rings are drained. */
export function answerFence(control: ControlBlock): void {
  const word = ControlBlock.index('fence')
  if (Atomics.compareExchange(control.words, word, FENCE.closing, FENCE.drained) === FENCE.closing) {
    Atomics.notify(control.words, word)
  }
}
