/**
 * Operating errors: what happened, where, and what to do about it. One class a domain; `code` is stable for machines.
 * A broken invariant is not an operating error: see assert.ts.
 */

/** What an error is made of. */
export interface ErrorDetails {
  /** What happened, with the numbers: "CommitLog segment is 4096 bytes, expected 1073741824". */
  what: string
  /** File, offset, address, configuration key or line that it concerns. */
  where?: string
  /** What the reader can do about it. */
  todo?: string
  /** Whether the same request may succeed later without anybody's help. */
  retriable?: boolean
  /** The error below it. */
  cause?: unknown
}

/** What all errors of this package have. */
export class BasaltError extends Error {
  /** Name of its class. */
  override name = 'BasaltError'
  /** Stable for machines. */
  readonly code: string
  /** What happened, with names and numbers. */
  readonly what: string
  /** File, offset or address that it concerns. */
  readonly where: string | undefined
  /** What the reader can do about it. */
  readonly todo: string | undefined
  /** Whether the same may succeed later without anybody's help. */
  readonly retriable: boolean

  constructor(code: string, details: ErrorDetails) {
    const where = details.where === undefined ? '' : ` (${details.where})`
    const todo = details.todo === undefined ? '' : `; ${details.todo}`
    super(`${details.what}${where}${todo}`, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.what = details.what
    this.where = details.where
    this.todo = details.todo
    this.retriable = details.retriable ?? false
  }
}

/** Files, disk, recovery. */
export class StoreError extends BasaltError {
  override name = 'StoreError'
}

/** Frames, headers, connections. */
export class RemotingError extends BasaltError {
  override name = 'RemotingError'
}

/** Configuration files, keys, flags. Ends a command with exit status 2. */
export class ConfigError extends BasaltError {
  override name = 'ConfigError'
}

/** The addon that is not there or cannot do what is asked. */
export class NativeError extends BasaltError {
  override name = 'NativeError'
}

/** `errno` text of a Node system error, or its message. */
export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

const REASONS: Record<string, string> = {
  ENOENT: 'no such file',
  EISDIR: 'it is a folder',
  ENOTDIR: 'no such file',
  EACCES: 'it may not be read by this user',
}

/** Why a file cannot be read, without its path, which the error has as `where`. */
export function describeFile(error: unknown): string {
  return REASONS[(error as NodeJS.ErrnoException).code ?? ''] ?? describe(error)
}
