/**
 * basaltmq/testing: a broker for test suites. Up in less than a second, on free ports, in a temporary folder, with a clock
 * that can be moved and faults that can be switched on.
 *
 *   const broker = await startTestBroker()
 *   broker.namesrv                      // "127.0.0.1:49153": what a client is given
 *   broker.advance('10m')               // delays, retries, checks, expiry: now
 *   await broker.drained('my-group')    // everything consumed and committed
 *   broker.faults.set('holdSync', 1)    // fdatasync does not return
 *   await broker.close()                // the folder is gone
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrokerHandle, startBroker } from '../broker/broker.ts'
import type { BrokerConfig } from '../config/index.ts'
import { ConfigError } from '../errors.ts'
import { FaultSwitches } from '../faults.ts'
import type { Log } from '../log.ts'

export { FAILPOINTS, FAULT_WORDS, type FaultName, FaultSwitches, THREADS } from '../faults.ts'

const MIB = 1024 * 1024

/** Small files: a broker that takes less than 60 MB of disk. */
export const SMALL: Partial<BrokerConfig> = {
  mappedFileSizeCommitLog: 8 * MIB,
  mappedFileSizeConsumeQueue: 20 * 3000,
  maxHashSlotNum: 50_000,
  maxIndexNum: 200_000,
  nameServerInside: 'always',
  nameServerInsidePort: 0,
  listenPort: 0,
  brokerIP1: '127.0.0.1',
  bindAddress: '127.0.0.1',
}

export interface TestBrokerOptions {
  /** RocketMQ's keys and ours, over SMALL. */
  config?: Partial<BrokerConfig>
  /** A store that stays; a temporary one, removed at close(), when undefined. */
  folder?: string
  log?: Log
}

export interface TestBroker extends AsyncDisposable {
  readonly handle: BrokerHandle
  readonly folder: string
  /** Addresses, "host:port". */
  readonly address: string
  readonly namesrv: string
  readonly faults: FaultSwitches
  /** Moves the broker's clock: milliseconds, or "90s", "10m", "2h", "1d". Negative: backwards. */
  advance(by: number | string): void
  /** Resolves once the group has committed everything of the topics that it has offsets of. */
  drained(group: string, timeoutMs?: number): Promise<void>
  /** Stops it cleanly and starts it again on the same store (and other ports). */
  restart(config?: Partial<BrokerConfig>): Promise<TestBroker>
  close(): Promise<void>
}

export async function startTestBroker(options: TestBrokerOptions = {}): Promise<TestBroker> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'basalt-'))
  const isTemporary = options.folder === undefined
  const faults = new FaultSwitches()
  const config = { ...SMALL, ...options.config, storePathRootDir: folder }
  const start = { config, faults, ...(options.log === undefined ? {} : { log: options.log }) }
  const handle = await startBroker(start).catch((error: unknown) => {
    if (isTemporary) rmSync(folder, { recursive: true, force: true })
    throw error
  })
  const close = async () => {
    await handle.close()
    if (isTemporary) rmSync(folder, { recursive: true, force: true })
  }
  return {
    handle,
    folder,
    address: handle.addresses.broker,
    namesrv: handle.addresses.namesrv ?? config.namesrvAddr ?? '',
    faults,
    advance: (by) => handle.advance(milliseconds(by)),
    drained: (group, timeoutMs = 10_000) => drained(handle, group, timeoutMs),
    async restart(changed) {
      await handle.close()
      const again = await startTestBroker({ ...options, folder, config: { ...options.config, ...changed } })
      const closeAgain = async () => {
        await again.close()
        if (isTemporary) rmSync(folder, { recursive: true, force: true })
      }
      return { ...again, close: closeAgain, [Symbol.asyncDispose]: closeAgain }
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/**
 * A vitest fixture: `const test = base.extend<{ broker: TestBroker }>({ broker: brokerFixture() })`. A new broker for each
 * test that names it.
 */
export function brokerFixture(options: TestBrokerOptions = {}) {
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads which fixtures a fixture needs from this pattern
  return async ({}: object, use: (broker: TestBroker) => Promise<void>): Promise<void> => {
    const broker = await startTestBroker(options)
    try {
      await use(broker)
    } finally {
      await broker.close()
    }
  }
}

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

function milliseconds(by: number | string): number {
  if (typeof by === 'number') return by
  const match = /^(-?\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(by.trim())
  if (match === null) {
    throw new ConfigError('BAD_DURATION', {
      what: `"${by}" is no duration`,
      todo: 'give milliseconds, or a number with a unit: 500ms, 90s, 10m, 2h, 1d',
    })
  }
  return Number(match[1]) * UNITS[match[2]]
}

async function drained(handle: BrokerHandle, group: string, timeoutMs: number): Promise<void> {
  const until = performance.now() + timeoutMs
  let lag = handle.lag(group)
  while (lag > 0 && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    lag = handle.lag(group)
  }
  if (lag > 0) throw new Error(`group ${group} is still ${lag} messages behind after ${timeoutMs} ms`)
}
