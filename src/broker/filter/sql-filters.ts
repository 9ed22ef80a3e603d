/**
 * Compiled expressions of pulls that carry their own, by their text: a consumer sends the same one with every pull. Faults
 * are kept too. Bounded by the characters that are kept.
 */
import { compileFilter, FilterError, type SqlFilter } from '../../filter/index.ts'

const CHARACTERS_MAX = 1_000_000
/** What one costs beside its text. */
const ENTRY_CHARACTERS = 200

export class SqlFilters {
  private readonly known = new Map<string, SqlFilter | FilterError>()
  private characters = 0

  of(expression: string): SqlFilter | FilterError {
    const known = this.known.get(expression)
    if (known !== undefined) return known
    const fresh = filterOrFault(expression)
    this.characters += expression.length + ENTRY_CHARACTERS
    if (this.characters > CHARACTERS_MAX) {
      this.known.clear()
      this.characters = expression.length + ENTRY_CHARACTERS
    }
    this.known.set(expression, fresh)
    return fresh
  }
}

export function filterOrFault(expression: string): SqlFilter | FilterError {
  try {
    return compileFilter(expression)
  } catch (error) {
    if (error instanceof FilterError) return error
    throw error
  }
}
