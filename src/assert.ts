/** A broken invariant: the thread stops before it can acknowledge anything (STYLE: assertions stay on in production). */
export class AssertionError extends Error {
  override name = 'AssertionError'
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}
