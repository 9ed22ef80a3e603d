/**
 * The load generator (bench/load/generator.mjs) as a process of its own: one run, one result.
 *
 * Owns:      the process while it runs; an aborted run ends it.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { PACKAGE } from './broker-node.ts'
import type { RawHistogram } from './results.ts'

export interface LoadOptions {
  /** send: closed loop; open: a fixed rate. */
  readonly mode: 'send' | 'open'
  readonly address: string
  readonly topic: string
  /** Of the server and its slaves, whose CPU time is counted. */
  readonly pid?: number
  readonly slavePids?: readonly number[]
  readonly connections: number
  /** In flight on each connection; of `send`. */
  readonly depth?: number
  /** Messages a second over all connections; of `open`. */
  readonly rate?: number
  readonly bodySize: number
  readonly queues: number
  readonly warmupMs: number
  readonly durationMs: number
  /** Make the topic first (default). */
  readonly create?: boolean
}

export interface LoadResult {
  /** Stored (code 0) while it measured. */
  readonly count: number
  readonly seconds: number
  readonly latency: { readonly count: number; readonly p50: number; readonly p99: number; readonly max: number }
  /** By wire code; of the open loop those of messages that were due meanwhile. */
  readonly answers: Readonly<Record<string, number>>
  readonly histogram: RawHistogram
  /** Open loop: due and not sent at the end. */
  readonly backlog: number
  /** Sent and not answered within 10 s of the end. */
  readonly unanswered: number
  readonly generatorCpuUs: number
  /** With `pid`. */
  readonly serverCpuUs?: number
  readonly rssAnonMiB?: number
  /** With `slavePids`, of all of them. */
  readonly slaveCpuUs?: number
  readonly firstFailure?: string
}

const GENERATOR = join(PACKAGE, 'bench', 'load', 'generator.mjs')

/** Rejects with the signal's reason when it is aborted, and with what the generator said when it fails. */
export function runLoad(options: LoadOptions, signal: AbortSignal): Promise<LoadResult> {
  return new Promise((done, failed) => {
    signal.throwIfAborted()
    const args = [GENERATOR, JSON.stringify({ ...options, raw: true })]
    // A group of its own: a Ctrl-C at the terminal is ours to handle.
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    const kill = () => child.kill('SIGKILL')
    const texts = { out: '', error: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      texts.out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      texts.error += text
    })
    child.on('error', failed)
    child.on('close', (status) => {
      signal.removeEventListener('abort', kill)
      process.off('exit', kill)
      if (signal.aborted) failed(signal.reason)
      else if (status === 0) done(JSON.parse(texts.out) as LoadResult)
      else failed(new Error(`the load generator ended with status ${status}: ${texts.error.slice(-2000)}`))
    })
    signal.addEventListener('abort', kill, { once: true })
    process.once('exit', kill)
  })
}
