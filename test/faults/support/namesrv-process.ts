/** A NameServer as its users run it: a process of its own, that can be stopped and killed. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { NamesrvConfig } from '../../../src/config/index.ts'
import { type Exit, PACKAGE, statusBytes, until } from './broker-process.ts'

const READY_MS_MAX = 30_000
const TEXT_MAX = 4 * 1024 * 1024

export interface NamesrvProcess extends AsyncDisposable {
  readonly pid: number
  /** "host:port" */
  readonly address: string
  readonly log: string
  readonly hasExited: boolean
  kill(): Promise<Exit>
  /** SIGTERM, and the end. */
  stop(): Promise<Exit>
  /** VmRSS, bytes. */
  rss(): number
}

/** `root`: folder of the package that is run; this one by default. */
export async function startNamesrvProcess(
  config: Partial<NamesrvConfig> = {},
  options: { env?: Record<string, string>; root?: string } = {},
): Promise<NamesrvProcess> {
  const all = { listenPort: 0, bindAddress: '127.0.0.1', kvConfigPath: '', ...config }
  const pairs = Object.entries(all).flatMap(([key, value]) => ['--set', `${key}=${value}`])
  const program = join(options.root ?? PACKAGE, 'bin', 'basaltmq.js')
  const child = spawn(process.execPath, [program, 'namesrv', ...pairs], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  })
  const texts = { screen: '', log: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    texts.screen += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    texts.log = (texts.log + text).slice(-TEXT_MAX)
  })
  let hasExited = false
  const exit = new Promise<Exit>((resolve) => {
    child.on('close', (status, signal) => {
      hasExited = true
      resolve({ status, signal })
    })
  })
  const address = () => /^ {2}NameServer +(\S+)/m.exec(texts.screen)?.[1]
  await until(
    () => hasExited || address() !== undefined,
    READY_MS_MAX,
    () => child.kill('SIGKILL'),
  )
  if (hasExited) throw new Error(`the NameServer ended before it was ready:\n${texts.screen}${texts.log}`)
  const end = (signal: 'SIGKILL' | 'SIGTERM') => {
    if (!hasExited) child.kill(signal)
    return exit
  }
  return {
    pid: child.pid!,
    address: address()!,
    get log() {
      return texts.log
    },
    get hasExited() {
      return hasExited
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    rss: () => statusBytes(child.pid!, 'VmRSS'),
    [Symbol.asyncDispose]: async () => {
      // A stopped process does not go before it goes on.
      if (!hasExited) child.kill('SIGCONT')
      await end('SIGKILL')
    },
  }
}
