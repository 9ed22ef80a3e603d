/**
 * The face of the log that every module sees. The broker's process gives it pino; worker threads give it a port to the
 * main thread (stages/messages.ts); tests give it an array.
 */
export interface Log {
  /** What has happened. */
  info(message: string, fields?: Record<string, unknown>): void
  /** What went wrong and was mended. */
  warn(message: string, fields?: Record<string, unknown>): void
  /** What went wrong and was not. */
  error(message: string, fields?: Record<string, unknown>): void
}

export const silentLog: Log = { info() {}, warn() {}, error() {} }
