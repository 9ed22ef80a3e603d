/** An engine with all its threads on a small store, and the broker's own puts on top: no sockets. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { Acks } from '../../../src/broker/acks.ts'
import { Engine } from '../../../src/broker/engine.ts'
import { Pool } from '../../../src/broker/pool.ts'
import { InternalPut } from '../../../src/broker/put/internal-put.ts'
import { StoredMessages } from '../../../src/broker/put/stored-message.ts'
import type { Refusal } from '../../../src/broker/send/send-checks.ts'
import { StoreView } from '../../../src/broker/store-view.ts'
import { ControlBlock, NETWORK } from '../../../src/concurrency/control-block.ts'
import { wake } from '../../../src/concurrency/wake.ts'
import { type BrokerConfig, resolveConfig } from '../../../src/config/index.ts'
import { FaultSwitches } from '../../../src/faults.ts'
import { silentLog } from '../../../src/log.ts'
import { StageClock } from '../../../src/metrics/stage-clock.ts'
import { LogReader } from '../../../src/store/commitlog/index.ts'
import { SMALL } from '../../../src/testing/index.ts'

export async function putRig(config: Partial<BrokerConfig> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'basalt-put-'))
  const settings = resolveConfig({
    role: 'broker',
    overrides: { ...SMALL, ...config, storePathRootDir: folder },
  }).config
  const faults = new FaultSwitches()
  let pump = () => {}
  const engine = await Engine.start({
    settings,
    faults,
    log: silentLog,
    onWake: () => pump(),
    onFailure: () => {},
    onMessage: () => {},
  })
  const { control, submit, queueIds, table } = engine
  const acks = new Acks({
    ring: engine.acks,
    control,
    clock: control,
    stageClock: new StageClock(engine.stageClock, 0),
    answer: () => {},
    limits: { syncFlushTimeout: settings.syncFlushTimeout, slaveTimeout: 3000 },
  })
  const state: { closed: Refusal | undefined; awaited: number } = { closed: undefined, awaited: 0 }
  const puts = new InternalPut({
    ...{ settings, control, submit, acks, queueIds },
    storeHost: { address: Uint8Array.of(127, 0, 0, 1), port: 10_911 },
    unavailable: () => state.closed,
    claimed: () => {},
    awaitRoom: () => {
      state.awaited += 1
    },
  })
  pump = () => {
    submit.commit()
    wake(control.words, ControlBlock.index('append'))
    Atomics.store(control.words, ControlBlock.index('network'), NETWORK.append)
    acks.pump()
    if (puts.waitingCount > 0 && submit.used < submit.capacity / 2) puts.roomAgain()
  }
  const timer = setInterval(pump, 1)
  const pool = new Pool(settings)
  const store = new StoreView({ settings, control, table, queueIds, log: new LogReader(settings), pool })
  onTestFinished(async () => {
    faults.set('holdSync', 0)
    faults.set('holdAppend', 0)
    await engine.stop()
    clearInterval(timer)
    store.close()
    await pool.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return { engine, control, submit, puts, acks, faults, state, store, stored: new StoredMessages(store, control) }
}
