/**
 * Which halves are decided, and how far the op queue is used up: what RocketMQ reads anew from the op queue in every round.
 *
 *   half queue   ──┬────────────────────────────────▶      below firstHalf: decided, or a copy has taken the place
 *             firstHalf   x . x x x . x                     x decided: a bit each
 *   op queue     ──┬────────────────────────────────▶      below firstOp: of halves below firstHalf
 *              firstOp    5 7 6 9 …                         the largest half of each op message
 *
 * Owns:      both fronts. They only grow; the caller stores them under TRANSACTION_GROUP.
 * Invariant: every op message at or above firstOp and below knownOps has been added, whatever it says.
 * Memory:    a bit a half and 8 bytes an op message between the fronts and the ends: 1 MB for 100,000 transactions.
 */
import { assert } from '../../assert.ts'
import { OffsetBits } from './offset-bits.ts'

/** Of an op message that decides nothing. */
const NONE = -1

export class DecidedHalves {
  private readonly bits: OffsetBits
  /** The largest half of each op message from `firstOp` on; the first `used` of the list are gone. */
  private largest: number[] = []
  private used = 0
  /** Op messages that were added before one in front of them. */
  private readonly early = new Map<number, number>()
  private opFront: number
  private halfFront: number

  constructor(firstHalf: number, firstOp: number) {
    this.halfFront = firstHalf
    this.opFront = firstOp
    this.bits = new OffsetBits(firstHalf)
  }

  /** The first half that is not known to be decided or replaced. */
  get firstHalf(): number {
    return this.halfFront
  }

  /** The first op message that is still needed. */
  get firstOp(): number {
    return this.opFront
  }

  /** The first op message that has not been added. */
  get knownOps(): number {
    return this.opFront + this.largest.length - this.used
  }

  /** An op message; `halves` as it names them. Adding one again changes nothing. */
  add(opOffset: number, halves: readonly number[]): void {
    let most = NONE
    for (const half of halves) {
      most = Math.max(most, half)
      this.decide(half)
    }
    if (opOffset < this.knownOps) return
    this.early.set(opOffset, most)
    for (let next = this.early.get(this.knownOps); next !== undefined; next = this.early.get(this.knownOps)) {
      this.early.delete(this.knownOps)
      this.largest.push(next)
    }
  }

  /** The half is decided, though its op message may still be under way. */
  decide(half: number): void {
    if (half >= this.halfFront) this.bits.add(half)
  }

  has(half: number): boolean {
    return half >= this.halfFront && this.bits.has(half)
  }

  /** The first undecided half at or above `from`, at most `end`. */
  nextUndecided(from: number, end: number): number {
    return this.bits.nextAbsent(from, end)
  }

  /** All halves below `firstHalf` are decided or replaced. */
  pass(firstHalf: number): void {
    assert(firstHalf >= this.halfFront, 'the front of the half queue does not go back')
    this.halfFront = firstHalf
    this.bits.dropBelow(firstHalf)
    while (this.used < this.largest.length && this.largest[this.used] < firstHalf) {
      this.used += 1
      this.opFront += 1
    }
    if (this.used * 2 < this.largest.length) return
    this.largest = this.largest.slice(this.used)
    this.used = 0
  }
}
