/**
 * NameServers' addresses from a web server, where fetchNamesrvAddrByAddressServer says so: "host:port;host:port" on the first
 * line of what it answers.
 *
 * Owns:      the last list that was good. A server that fails, or says nonsense, changes nothing.
 * Blocks on: nothing; asked at start and every two minutes of the injected clock.
 * Rules:     spec/namesrv.md §10.
 */
import type { Clock } from '../../clock.ts'
import { isAddressList } from '../../config/index.ts'
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'

export interface AddressServerOptions {
  readonly url: string
  readonly clock: Clock
  readonly log: Log
}

const PERIOD_MS = 120_000
const TIMEOUT_MS = 3000
const TEXT_MAX = 4096

export class AddressServer {
  private readonly options: AddressServerOptions
  private list: readonly string[] = []
  private askAt: number
  private isAsking = false
  /** Said once an outage. */
  private isFailing = false

  constructor(options: AddressServerOptions) {
    this.options = options
    this.askAt = options.clock.now()
  }

  /** The last good list; empty until one has come. */
  addresses(): readonly string[] {
    return this.list
  }

  /** Asks where it is time. Never rejects. */
  async step(): Promise<void> {
    const wait = this.askAt - this.options.clock.now()
    if (this.isAsking || (wait > 0 && wait <= PERIOD_MS)) return
    this.isAsking = true
    try {
      await this.ask()
      this.isFailing = false
    } catch (error) {
      if (!this.isFailing) this.failed(error)
    }
    this.isAsking = false
    this.askAt = this.options.clock.now() + PERIOD_MS
  }

  private async ask(): Promise<void> {
    const { url, log } = this.options
    const line = (await getText(url)).split(/[\r\n]/)[0].trim()
    if (line === '' || !isAddressList(line))
      throw new Error(`it says ${JSON.stringify(line.slice(0, 100))}, no addresses`)
    const list = line.split(';').map((address) => address.trim())
    if (list.join(';') === this.list.join(';')) return
    this.list = list
    log.info(`NameServers are ${list.join(';')} now, says ${url}`)
  }

  private failed(error: unknown): void {
    const { url, log } = this.options
    this.isFailing = true
    const kept = this.list.length === 0 ? 'no NameServer is known' : `${this.list.join(';')} stay`
    log.warn(`${url} does not tell the NameServers' addresses: ${describe(error)}; ${kept}, it is asked again`)
  }
}

/** Loaded when it is needed: nearly no broker asks a web server. */
async function getText(url: string): Promise<string> {
  const { get } = url.startsWith('https:') ? await import('node:https') : await import('node:http')
  return new Promise((fulfil, reject) => {
    const request = get(url, { agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) }, (answer) => {
      let text = ''
      if (answer.statusCode !== 200) reject(new Error(`HTTP status ${answer.statusCode}`))
      answer.setEncoding('utf8').on('error', reject)
      answer.on('data', (part: string) => {
        text += part
        if (text.length > TEXT_MAX) request.destroy(new Error(`it says more than ${TEXT_MAX} characters`))
      })
      answer.on('end', () => fulfil(text))
    })
    request.on('error', reject)
  })
}
