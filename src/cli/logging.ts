/**
 * The log of a process: pino behind the face of src/log.ts. JSON lines for machines, one short line each for a terminal.
 *
 * Lines are written at once: there are few of them, and the last ones before an end are those that matter.
 */
import { type DestinationStream, destination, pino, stdTimeFunctions } from 'pino'
import type { Log } from '../log.ts'

export interface LogOptions {
  logLevel: 'info' | 'warn' | 'error' | 'silent'
  /** Empty: standard error. */
  logFile: string
}

const STDERR = 2

/** Throws the system's error when the file cannot be opened. */
export function createLog({ logLevel, logFile }: LogOptions, isTerminal: boolean): Log {
  const isForEyes = isTerminal && logFile === ''
  const stream = isForEyes
    ? readable((text) => process.stderr.write(text))
    : destination({ dest: logFile === '' ? STDERR : logFile, sync: true, mkdir: true })
  const logger = pino({ level: logLevel, base: null, timestamp: stdTimeFunctions.isoTime }, stream)
  return {
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
  }
}

const LEVELS: Record<number, string> = { 30: 'info ', 40: 'WARN ', 50: 'ERROR' }

/** "22:10:01.123 WARN  what happened key=value". */
export function readable(write: (text: string) => void): DestinationStream {
  return {
    write(line) {
      const { level, time, msg, ...fields } = JSON.parse(line) as { level: number; time: string; msg: string }
      const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${plain(value)}`)
      write(`${time.slice(11, 23)} ${LEVELS[level] ?? level} ${msg}${rest.join('')}\n`)
    },
  }
}

function plain(value: unknown): string {
  return typeof value === 'string' && !/[\s"=]/.test(value) ? value : JSON.stringify(value)
}
