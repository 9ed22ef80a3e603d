/** A world for one command: what it printed, signals to send, servers that only pretend. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { BrokerHandle, Engine, Io, NamesrvHandle, StopSignal, Terminal } from '../../src/cli/io.ts'
import { main } from '../../src/cli/main.ts'

export class World implements Io {
  readonly isTerminal = false
  readonly env: Record<string, string | undefined> = {}
  readonly cwd: string
  terminal: Terminal | undefined
  printed = ''
  complained = ''
  exited: number[] = []
  /** What the pretended servers do. */
  servers: Partial<Engine> = {}
  started: { role: string; config: Record<string, unknown> }[] = []
  private listener: ((signal: StopSignal) => void) | undefined
  private onPrint: () => void = () => {}

  constructor(files: Record<string, string> = {}) {
    const cwd = mkdtempSync(join(tmpdir(), 'basalt-cli-'))
    this.cwd = cwd
    removedAfterTest(cwd)
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.cwd, name), text)
  }

  out = (text: string): void => {
    this.printed += text
    this.onPrint()
  }

  error = (text: string): void => {
    this.complained += text
  }

  onSignal(listener: (signal: StopSignal) => void): () => void {
    this.listener = listener
    return () => {
      this.listener = undefined
    }
  }

  signal(signal: StopSignal): void {
    this.listener?.(signal)
  }

  get listens(): boolean {
    return this.listener !== undefined
  }

  exit(status: number): void {
    this.exited.push(status)
  }

  async engine(): Promise<Engine> {
    return {
      startBroker: async (resolved, log, faults) => {
        this.started.push({ role: 'broker', config: { ...resolved.config } })
        return this.servers.startBroker?.(resolved, log, faults) ?? pretendedBroker(this.cwd)
      },
      startNamesrv: async (resolved, log) => {
        this.started.push({ role: 'namesrv', config: { ...resolved.config } })
        return this.servers.startNamesrv?.(resolved, log) ?? pretendedNamesrv()
      },
    }
  }

  /** Runs a command line with paths of this world's folder. */
  run(...argv: string[]): Promise<number> {
    return main(
      argv.map((word) => (/\.conf$/.test(word) ? join(this.cwd, word) : word)),
      this,
    )
  }

  /** Resolves when the start screen is there. */
  ready(): Promise<void> {
    return new Promise((resolve) => {
      this.onPrint = () => {
        if (this.printed.includes('Ctrl-C stops')) resolve()
      }
      this.onPrint()
    })
  }
}

/** Of the test that runs. */
let folders: string[] | undefined

/** One hook a test: vitest keeps the stack that each comes from, whose frames keep their world and all that it printed. */
function removedAfterTest(folder: string): void {
  if (folders === undefined) {
    const all: string[] = []
    onTestFinished(() => {
      folders = undefined
      for (const each of all) rmSync(each, { recursive: true, force: true })
    })
    folders = all
  }
  folders.push(folder)
}

export function pretendedBroker(folder: string, over: Partial<BrokerHandle> = {}): BrokerHandle {
  let finish: () => void = () => {}
  const closed = new Promise<void>((resolve) => {
    finish = resolve
  })
  return {
    addresses: { broker: '192.0.2.1:10911', fast: '192.0.2.1:10909', ha: '192.0.2.1:10912', namesrv: '0.0.0.0:9876' },
    store: { folder, recoveredMs: 12.4, found: 'an empty folder' },
    closed,
    close: async () => finish(),
    ...over,
  }
}

function pretendedNamesrv(): NamesrvHandle {
  return { address: '0.0.0.0:9876', close: async () => {} }
}
