/** Power cuts in the fault campaign: the observer of src/bench/loss/observer.ts. */
import { Observer } from '../../../src/bench/loss/observer.ts'
import { storeFolder } from './scratch.ts'

export * from '../../../src/bench/loss/observer.ts'

/** Whether power cuts can be watched here; said loudly where they cannot. */
export function hasObserver(): boolean {
  using scratch = storeFolder()
  const isThere = Observer.create(scratch.path) !== undefined
  if (!isThere) console.error('POWER CUTS ARE NOT TESTED: there is no C compiler (cc) for the observer')
  return isThere
}
