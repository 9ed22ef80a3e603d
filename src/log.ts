/**
 * The face of the log that every module sees. The broker's process gives it pino; worker threads give it a port to the
 * main thread (stages/messages.ts); tests give it an array.
 */
export interface Log {
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  error(message: string, fields?: Record<string, unknown>): void
}

export const silentLog: Log = { info() {}, warn() {}, error() {} }
