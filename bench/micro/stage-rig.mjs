/** A store in a temporary folder and the shared memory of its stages, for stages that run without their threads. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MessageChannel } from 'node:worker_threads'
import { createRing } from '../../dist/concurrency/byte-ring.js'
import { ControlBlock } from '../../dist/concurrency/control-block.js'
import { QueueTable } from '../../dist/concurrency/queue-table.js'
import { resolveConfig } from '../../dist/config/index.js'
import { silentLog } from '../../dist/log.js'
import { createAppendHistory } from '../../dist/metrics/append-history.js'
import { createStageClock } from '../../dist/metrics/stage-clock.js'
import { allocateSegment } from '../../dist/store/commitlog/index.js'

const RING = 4 * 1024 * 1024

/** One segment, allocated; `overrides` are configuration keys. */
export function stageRig(overrides) {
  const folder = mkdtempSync(join(tmpdir(), 'basalt-micro-'))
  const { config } = resolveConfig({ role: 'broker', overrides: { ...overrides, storePathRootDir: folder }, env: {} })
  const own = join(folder, 'basalt')
  mkdirSync(own, { recursive: true })
  const size = config.mappedFileSizeCommitLog
  allocateSegment({ folder: config.storePathCommitLog, ownFolder: own, start: 0, size })
  const control = ControlBlock.create()
  control.writer('allocated').reset(size)
  const queues = QueueTable.create(1024)
  const { port1, port2 } = new MessageChannel()
  port1.unref()
  const rings = {
    submit: createRing(RING),
    acks: createRing(RING / 4),
    definitions: createRing(1024),
    arrivals: createRing(1024),
  }
  const start = {
    stage: 'append',
    control: control.buffer,
    queues: queues.buffer,
    ...rings,
    stageClock: createStageClock(),
    appendHistory: createAppendHistory(),
    faults: undefined,
    settings: config,
    knownQueues: [],
    waker: 0n,
    port: port2,
  }
  const runtime = { control, queues, faults: undefined, log: silentLog, receive: () => undefined, post() {} }
  return {
    folder,
    config,
    control,
    queues,
    start,
    runtime,
    close() {
      port1.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
