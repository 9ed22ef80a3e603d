/**
 * A real browser for pages of ours: headless Chromium, spoken to over its debugging pipe, without a package for it.
 *
 * Owns: the process and its profile folder until close(). CHROMIUM names another binary.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'

const BINARIES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
]
const MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'

/** Undefined where there is none. */
export function findChromium(): string | undefined {
  return [process.env.CHROMIUM ?? '', ...BINARIES, MAC].find((path) => path !== '' && existsSync(path))
}

type Fields = Record<string, unknown>
interface Reply {
  readonly id?: number
  readonly method?: string
  readonly params?: Fields
  readonly result?: Fields
  readonly error?: { readonly message: string }
}

export class Browser {
  private readonly child: ChildProcess
  private readonly profile = mkdtempSync(join(tmpdir(), 'basalt-chromium-'))
  private readonly waiting = new Map<number, { resolve: (result: Fields) => void; reject: (error: Error) => void }>()
  private readonly ended: Promise<void>
  private received = ''
  private next = 1
  private session: string | undefined
  private target: string | undefined
  /** Whatever the page told since it was opened. */
  events: { method: string; params: Fields }[] = []

  constructor(binary: string) {
    const flags = [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--hide-scrollbars',
      '--no-first-run',
      '--remote-debugging-pipe',
    ]
    flags.push(
      '--disable-background-networking',
      '--disable-extensions',
      '--disable-dev-shm-usage',
      `--user-data-dir=${this.profile}`,
    )
    const stdio = ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] as const
    this.child = spawn(binary, flags, { stdio: [...stdio] })
    const failed = (error: Error) => {
      for (const { reject } of this.waiting.values()) reject(error)
      this.waiting.clear()
    }
    this.ended = new Promise((resolve) => {
      this.child.once('close', () => {
        failed(new Error('Chromium has ended'))
        resolve()
      })
      this.child.once('error', (error) => {
        failed(error)
        resolve()
      })
    })
    const [input, output] = [this.child.stdio[3] as Writable, this.child.stdio[4] as Readable]
    input.on('error', failed)
    output.setEncoding('utf8').on('data', (text: string) => this.receive(text))
  }

  private receive(text: string): void {
    const messages = (this.received + text).split('\0')
    this.received = messages.pop()!
    for (const message of messages) {
      const { id, method, params, result, error } = JSON.parse(message) as Reply
      if (method !== undefined) this.events.push({ method, params: params ?? {} })
      const waiting = id === undefined ? undefined : this.waiting.get(id)
      if (waiting === undefined) continue
      this.waiting.delete(id!)
      if (error === undefined) waiting.resolve(result ?? {})
      else waiting.reject(new Error(error.message))
    }
  }

  send(method: string, params: Fields = {}): Promise<Fields> {
    const id = this.next++
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
      const message = JSON.stringify({ id, method, params, sessionId: this.session })
      ;(this.child.stdio[3] as Writable).write(`${message}\0`)
    })
  }

  /** A fresh page in the given size and scheme; events are those of this page. */
  async open(
    url: string,
    { width, height, scheme }: { width: number; height: number; scheme: 'light' | 'dark' },
  ): Promise<void> {
    this.session = undefined
    if (this.target !== undefined) await this.send('Target.closeTarget', { targetId: this.target })
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true })
    this.target = targetId as string
    this.session = sessionId as string
    this.events = []
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await this.send(`${domain}.enable`)
    await this.resize(width, height)
    await this.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] })
    await this.send('Page.navigate', { url })
    for (let tries = 0; tries < 200 && !this.events.some(({ method }) => method === 'Page.loadEventFired'); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }

  async resize(width: number, height: number): Promise<void> {
    await this.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 500 })
  }

  /** The value of a function of the page, given as source: `() => document.title`. */
  async evaluate<T>(source: string): Promise<T> {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', {
      expression: `(${source})()`,
      returnByValue: true,
      awaitPromise: true,
    })
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails).slice(0, 2000))
    return (result as { value: T }).value
  }

  /** Of the whole view, or of a part of it. */
  async screenshot(clip?: { x: number; y: number; width: number; height: number }): Promise<Buffer> {
    const part = clip === undefined ? {} : { clip: { ...clip, scale: 1 } }
    const { data } = await this.send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true, ...part })
    return Buffer.from(data as string, 'base64')
  }

  async close(): Promise<void> {
    this.session = undefined
    this.send('Browser.close').catch(() => {})
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 3000)
    await this.ended
    clearTimeout(timer)
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}
