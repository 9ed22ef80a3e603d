/** A fast-check property as a vitest test. */
import * as fc from 'fast-check'
import { test as vitest } from 'vitest'

export { fc }

export function test<Ts extends [unknown, ...unknown[]]>(
  name: string,
  arbitraries: { [K in keyof Ts]: fc.Arbitrary<Ts[K]> },
  predicate: (...args: Ts) => void,
): void {
  vitest(name, () => fc.assert(fc.property(...arbitraries, predicate)))
}
