/** Who is told when a position has moved. Each costs one atomic load while the other side is awake. */
import { ControlBlock, GATE, NETWORK } from '../concurrency/control-block.ts'
import { ASLEEP, AWAKE, wake, wakeUrgently } from '../concurrency/wake.ts'
import { wakeNetwork } from '../native/index.ts'

const HA = ControlBlock.index('ha')
const APPEND = ControlBlock.index('append')

export function wakeDispatch(control: ControlBlock): void {
  const dispatch = ControlBlock.index('dispatch')
  if (control.word('heldPulls') > 0) wakeUrgently(control.words, dispatch)
  else wake(control.words, dispatch)
}

/** A position of the gate, or the gate, has moved: dispatch and the network thread look. Senders wait for the network thread. */
export function gateMoved(control: ControlBlock, waker: bigint): void {
  const network = ControlBlock.index('network')
  if (Atomics.load(control.words, network) !== NETWORK.awake) {
    if (Atomics.exchange(control.words, network, NETWORK.awake) !== NETWORK.awake) wakeNetwork(waker)
  }
  wakeDispatch(control)
}

/**
 * By whoever appends: the network thread where it wants to hear of room, or of answers and there are some that no gate's move will tell
 * of. True: it knows.
 */
export function wakeNetworkIfWanted(control: ControlBlock, waker: bigint, hasAnswers: boolean): boolean {
  const word = ControlBlock.index('network')
  const wanted = Atomics.load(control.words, word)
  if (wanted === NETWORK.awake || (wanted !== NETWORK.append && !hasAnswers)) return false
  if (Atomics.exchange(control.words, word, NETWORK.awake) !== NETWORK.awake) wakeNetwork(waker)
  return true
}

/** The HA thread lives in an event loop, and says that it sleeps only while there is somebody to send to. */
export function wakeHa(control: ControlBlock): void {
  if (Atomics.load(control.words, HA) !== ASLEEP) return
  if (Atomics.compareExchange(control.words, HA, ASLEEP, AWAKE) === ASLEEP) wakeNetwork(control.haWaker)
}

/** Whether the gate waits for something beside append. */
export function waitsForMore(gate: number): boolean {
  return (gate & (GATE.flushed | GATE.replicated)) !== 0
}

/** Whoever drains the submit ring: the append thread, or DLedger's, which lives in an event loop. */
export function wakeAppend(control: ControlBlock): void {
  if (Atomics.load(control.words, APPEND) !== ASLEEP) return
  if (Atomics.compareExchange(control.words, APPEND, ASLEEP, AWAKE) !== ASLEEP) return
  const waker = control.appendWaker
  if (waker === 0n) Atomics.notify(control.words, APPEND, 1)
  else wakeNetwork(waker)
}
