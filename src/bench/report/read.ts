/**
 * A result's JSON from a file, checked before anything is drawn from it.
 *
 * Invariant: what comes back has every field of results.ts with its type; a file that has not is refused with the first field
 * that is wrong. Fields that are not known are let be: a later build of the same version may add some.
 */
import { readFileSync } from 'node:fs'
import { ConfigError, describe } from '../../errors.ts'
import {
  FAILURES,
  FLUSH_MODES,
  type LossResult,
  type ModesResult,
  REPLICATION_MODES,
  RESULT_VERSION,
  SERVERS,
} from '../results.ts'

export function readResult(path: string): ModesResult | LossResult {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw refusal('the result cannot be read', describe(error), path, 'give the JSON that "basaltmq bench" wrote')
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw refusal('the result is not JSON', describe(error), path, 'was it cut off? run the benchmark again')
  }
  try {
    return checkResult(value)
  } catch (error) {
    if (!(error instanceof Wrong)) throw error
    throw refusal('the result cannot be used', error.message, path, error.todo)
  }
}

/** The same for a command that has its own file at hand. */
export function readModesResult(path: string): ModesResult {
  const result = readResult(path)
  if (result.kind === 'modes') return result
  throw refusal('the result cannot be used', 'it is of "bench loss"', path, 'give a result of "bench modes"')
}

function refusal(what: string, why: string, where: string, todo: string): ConfigError {
  return new ConfigError('RESULT_FILE', { what: `${what}: ${why}`, where, todo })
}

class Wrong extends Error {
  todo = 'was it edited? run the benchmark again'
}

type Check = (value: unknown, at: string) => void

const must = (isRight: boolean, at: string, what: string): void => {
  if (!isRight) throw new Wrong(`${at} is not ${what}`)
}
const text: Check = (value, at) => must(typeof value === 'string', at, 'a text')
const flag: Check = (value, at) => must(typeof value === 'boolean', at, 'true or false')
const number: Check = (value, at) => must(typeof value === 'number' && Number.isFinite(value), at, 'a number')
const positive: Check = (value, at) => must(Number.isFinite(value) && (value as number) >= 0, at, 'a number from 0 on')
const optional =
  (check: Check): Check =>
  (value, at) =>
    value === undefined || check(value, at)
const oneOf =
  (words: readonly unknown[]): Check =>
  (value, at) =>
    must(words.includes(value), at, `one of ${words.join(', ')}`)
const list =
  (check: Check): Check =>
  (value, at) => {
    must(Array.isArray(value), at, 'a list')
    ;(value as unknown[]).forEach((each, index) => {
      check(each, `${at}[${index}]`)
    })
  }
const object =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value, at) => {
    must(typeof value === 'object' && value !== null && !Array.isArray(value), at, 'an object')
    for (const [name, check] of Object.entries(fields)) {
      check((value as Record<string, unknown>)[name], at === '' ? name : `${at}.${name}`)
    }
  }
const map =
  (check: Check): Check =>
  (value, at) => {
    object({})(value, at)
    for (const [name, each] of Object.entries(value as object)) check(each, `${at}.${name}`)
  }

const histogram: Check = (value, at) => {
  must(Array.isArray(value), at, 'a list of [edge, count]')
  let before = -1
  for (const pair of value as unknown[]) {
    const [edge, count] = Array.isArray(pair) && pair.length === 2 ? pair : []
    const isRight = Number.isFinite(edge) && edge > before && Number.isInteger(count) && count > 0
    must(isRight, at, 'a list of [edge, count] with rising edges')
    before = edge
  }
}

const mode = object({ flush: oneOf(FLUSH_MODES), replication: oneOf(REPLICATION_MODES) })
const machine = object({
  ...{ date: text, node: text, basalt: text, apache: optional(text), java: optional(text) },
  ...{ cores: positive, cpu: text, memoryGiB: positive, system: text, fileSystem: text },
})
const HEAD = { machine, options: map(text), isPartial: flag }
const key = object({
  ...{
    system: oneOf(['basalt', 'apache']),
    mode,
    load: oneOf(['closed', 'open']),
    haTransfer: oneOf(['stream', 'pull']),
  },
  ...{ inFlight: positive, ratePerSecond: positive, bodySize: positive, fdatasyncMs: positive, rttMs: positive },
})
const round = object({
  ...{ seconds: positive, answers: map(positive), ratePerSecond: positive, latency: histogram },
  ...{ masterCpuUs: positive, slaveCpuUs: positive, generatorCpuUs: positive, masterMiB: positive },
  ...{ lagBytes: number, lagBytesMax: number },
})
const STEPS = ['claimed', 'appended', 'flushed', 'sent', 'slaveReceived', 'slaveAppended', 'slaveFlushed']
const step = oneOf([...STEPS, 'reported', 'reportRead', 'acknowledged', 'total'])
const waterfall = list(object({ step, count: positive, p50Us: positive, p99Us: positive }))
const modesResult = object({
  ...HEAD,
  floors: object({ fdatasyncUs: positive, roundTripUs: positive, wakeUpUs: positive }),
  cells: list(object({ key, rounds: list(round), waterfall: optional(waterfall) })),
})
const lossRound = object({
  ...{ acknowledged: positive, found: positive, lost: positive, longestRun: positive, duplicates: positive },
  ...{ readsBackMs: number, writesBackMs: number, servedBy: oneOf(SERVERS) },
})
const lossResult = object({ ...HEAD, cells: list(object({ mode, failure: oneOf(FAILURES), rounds: list(lossRound) })) })

function checkResult(value: unknown): ModesResult | LossResult {
  object({ kind: oneOf(['modes', 'loss']) })(value, 'the file')
  const { kind, version } = value as { kind: string; version: unknown }
  if (version !== RESULT_VERSION) {
    const wrong = new Wrong(`its version is ${JSON.stringify(version)}, this build reads ${RESULT_VERSION}`)
    wrong.todo = 'read it with the build that wrote it, or run the benchmark again'
    throw wrong
  }
  const check = kind === 'modes' ? modesResult : lossResult
  check(value, '')
  return value as ModesResult | LossResult
}
