/**
 * What a command works with: the client, its output (for people or as JSON), questions, and time.
 */
import { type Account, AdminClient, type Waiter } from '../../admin/index.ts'
import type { ClientTls } from '../../remoting/tls/client-tls.ts'
import type { Io } from '../io.ts'
import { accountOf, namesrvList, tlsOf } from './connection.ts'
import { type Given, usage } from './spec.ts'
import { type Column, table } from './table.ts'

export class Context {
  readonly io: Io
  readonly isJson: boolean
  readonly isDryRun: boolean
  readonly waiter: Waiter
  private readonly given: Given
  private readonly clients: AdminClient[] = []
  private known: AdminClient | undefined
  private readonly stops = new Set<() => void>()
  private account: Account | undefined
  private tls: ClientTls | undefined
  isStopped = false

  constructor(io: Io, given: Given) {
    this.io = io
    this.given = given
    this.isJson = given.is('json')
    this.isDryRun = given.is('dryRun')
    this.waiter = { now: () => Date.now(), sleep: (ms) => this.sleep(ms) }
  }

  /** Reads account and TLS settings, before the first request. */
  async open(): Promise<void> {
    const note = (text: string) => this.note(`basaltmq: ${text}`)
    const settings = tlsOf(this.given, this.io, note)
    this.account = await accountOf(this.given, this.io, note)
    if (settings === undefined) return
    const { openTls } = await import('./tls-files.ts')
    this.tls = openTls(settings)
  }

  get isSecure(): boolean {
    return this.tls !== undefined
  }

  /** Towards the NameServers of -n, NAMESRV_ADDR, or this machine. */
  get admin(): AdminClient {
    this.known ??= this.clientOf(namesrvList(this.given.text('namesrv'), this.io.env.NAMESRV_ADDR))
    return this.known
  }

  clientOf(namesrv: readonly string[]): AdminClient {
    const timeoutMs = this.given.count('timeout', 1, 3_600_000)
    const client = new AdminClient({ namesrv, timeoutMs, account: this.account, tls: this.tls })
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
  readonly note = (text: string): void => {
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
    this.tls?.close()
  }
}
