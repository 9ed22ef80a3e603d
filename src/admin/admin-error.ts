/** What an administrator's command could not do: what, where, what to do. `answerCode` is the server's, where one answered. */
import { BasaltError, type ErrorDetails } from '../errors.ts'

export class AdminError extends BasaltError {
  override name = 'AdminError'
  /** One of RESPONSE, where a server answered with something else than success. */
  readonly answerCode: number | undefined
  /** What it said then. */
  readonly remark: string

  constructor(code: string, details: ErrorDetails, answerCode?: number, remark = '') {
    super(code, details)
    this.answerCode = answerCode
    this.remark = remark
  }
}

export function isAnswer(error: unknown, ...codes: readonly number[]): error is AdminError {
  return error instanceof AdminError && error.answerCode !== undefined && codes.includes(error.answerCode)
}

/** Whoever is not let in is so everywhere: one error, not a row of each broker that does not tell. */
export function throwIfNotAllowed(error: unknown): void {
  if (error instanceof AdminError && error.code === 'NOT_ALLOWED') throw error
}
