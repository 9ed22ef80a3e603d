/** A command that has said all it had to say and ends with a status: thrown, so that main() stays the one who returns it. */
export class ExitStatus extends Error {
  readonly status: number

  constructor(status: number) {
    super(`exit status ${status}`)
    this.status = status
  }
}

export const FAILURE = 1
/** Also configuration. */
export const USAGE = 2
/** What a check has found. */
export const FOUND = 3
