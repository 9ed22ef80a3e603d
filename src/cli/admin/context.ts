/**
 * What a command works with: the client, its output (for people or as JSON), questions, and time.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Account, AdminClient, type Waiter } from '../../admin/index.ts'
import { ConfigError, describe } from '../../errors.ts'
import type { Io } from '../io.ts'
import { type Given, usage } from './spec.ts'
import { type Column, table } from './table.ts'

const NAMESRV_PORT = 9876

export class Context {
  readonly io: Io
  readonly isJson: boolean
  readonly isDryRun: boolean
  readonly waiter: Waiter
  private readonly given: Given
  private readonly clients: AdminClient[] = []
  private known: AdminClient | undefined
  private readonly stops = new Set<() => void>()
  isStopped = false

  constructor(io: Io, given: Given) {
    this.io = io
    this.given = given
    this.isJson = given.is('json')
    this.isDryRun = given.is('dryRun')
    this.waiter = { now: () => Date.now(), sleep: (ms) => this.sleep(ms) }
  }

  /** Towards the NameServers of -n, NAMESRV_ADDR, or this machine. */
  get admin(): AdminClient {
    this.known ??= this.clientOf(namesrvList(this.given.text('namesrv'), this.io.env.NAMESRV_ADDR))
    return this.known
  }

  clientOf(namesrv: readonly string[]): AdminClient {
    const timeoutMs = this.given.count('timeout', 1, 3_600_000)
    const client = new AdminClient({ namesrv, timeoutMs, account: this.account() })
    this.clients.push(client)
    return client
  }

  /** Columns of the terminal; undefined: no limit. */
  get width(): number | undefined {
    return this.io.terminal?.columns
  }

  /** `value` with --json, else what `text` makes of it. */
  show(value: unknown, text: () => string): void {
    this.io.out(this.isJson ? `${JSON.stringify(value, undefined, 2)}\n` : text())
  }

  table<R>(columns: readonly Column<R>[], rows: readonly R[]): string {
    return table(columns, rows, this.width)
  }

  /** One line about what is going on; not part of the output. */
  note(text: string): void {
    this.io.error(`${text}\n`)
  }

  /** Goes on with --yes or a typed "yes"; fails otherwise. A dry run is told by the caller before. */
  async confirm(what: string): Promise<void> {
    if (this.given.is('yes')) return
    const ask = this.io.terminal?.ask
    if (ask === undefined) {
      throw usage(`${what}: not done without being asked for`, 'give --yes, or run it on a terminal')
    }
    const answer = await ask(`${what}. Go on? [yes/no] `)
    if (!/^y(es)?$/i.test(answer.trim())) throw usage('nothing was done')
  }

  /** Ends early when the command is interrupted. */
  sleep(ms: number): Promise<void> {
    if (this.isStopped) return Promise.resolve()
    return new Promise((done) => {
      const stop = () => {
        clearTimeout(timer)
        this.stops.delete(stop)
        done()
      }
      const timer = setTimeout(stop, ms)
      this.stops.add(stop)
    })
  }

  stop(): void {
    this.isStopped = true
    for (const stop of [...this.stops]) stop()
  }

  async close(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()))
  }

  private account(): Account | undefined {
    const { env, cwd } = this.io
    const file = this.given.text('account') ?? env.BASALTMQ_ACCOUNT
    if (file !== undefined) return accountIn(resolve(cwd, file))
    const accessKey = env.BASALTMQ_ACCESS_KEY
    const secretKey = env.BASALTMQ_SECRET_KEY
    return accessKey === undefined || secretKey === undefined ? undefined : { accessKey, secretKey }
  }
}

/** "a:9876;b:9876", commas too; a name alone has the usual port. */
export function namesrvList(flag: string | undefined, env: string | undefined): string[] {
  const text = flag ?? (env === undefined || env.trim() === '' ? `127.0.0.1:${NAMESRV_PORT}` : env)
  const list = text.split(/[;,\s]+/).filter((word) => word !== '')
  if (list.length === 0) throw usage('-n names no NameServer', 'give host:port, several with ; between')
  return list.map((word) => (/:\d+$/.test(word) ? word : `${word}:${NAMESRV_PORT}`))
}

/** accessKey and secretKey, one a line with : or =, as in RocketMQ's tools.yml. */
export function accountIn(path: string): Account {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError('ACCOUNT_FILE', { what: `the account cannot be read: ${describe(error)}`, where: path })
  }
  const value = (key: string) => new RegExp(`^\\s*${key}\\s*[:=]\\s*["']?([^"'\\n]*?)["']?\\s*$`, 'm').exec(text)?.[1]
  const accessKey = value('accessKey')
  const secretKey = value('secretKey')
  if (accessKey !== undefined && secretKey !== undefined) return { accessKey, secretKey }
  throw new ConfigError('ACCOUNT_FILE', {
    what: 'the account has no accessKey and secretKey',
    where: path,
    todo: 'write "accessKey: NAME" and "secretKey: SECRET", a line each',
  })
}
