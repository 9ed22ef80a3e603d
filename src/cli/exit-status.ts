/** Thrown by a command that has said what it had to say and ends with a status of its own. */
export class ExitStatus extends Error {
  readonly status: number

  constructor(status: number) {
    super(`exit status ${status}`)
    this.status = status
  }
}
