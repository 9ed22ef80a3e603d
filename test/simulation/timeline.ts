/** Virtual time: what happens next. Events of the same moment come in the order in which they were put in. */

interface Slot {
  at: number
  order: number
  run: () => void
}

export class Timeline {
  now = 0
  events = 0
  private heap: Slot[] = []
  private order = 0

  after(delay: number, run: () => void): void {
    this.at(this.now + delay, run)
  }

  at(at: number, run: () => void): void {
    const slot = { at: Math.max(at, this.now), order: this.order++, run }
    const { heap } = this
    let i = heap.push(slot) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!isBefore(slot, heap[parent]!)) break
      heap[i] = heap[parent]!
      i = parent
    }
    heap[i] = slot
  }

  /** Runs the next event that is due before `until`; false when there is none. */
  step(until: number): boolean {
    const first = this.heap[0]
    if (first === undefined || first.at > until) {
      this.now = until
      return false
    }
    this.removeFirst()
    this.now = first.at
    this.events++
    first.run()
    return true
  }

  private removeFirst(): void {
    const { heap } = this
    const last = heap.pop()!
    if (heap.length === 0) return
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = last
  }
}

function isBefore(a: Slot, b: Slot): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
