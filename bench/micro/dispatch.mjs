/**
 * Question: what do ConsumeQueue and index cost a record? Dispatcher over a log of 1 KiB records in 4 queues, batches of 256
 * records; with and without index, mapped and staged units.
 *
 * When the log is at its end the queues are thrown away and built again; that is not timed.
 */
import { rmSync } from 'node:fs'
import { RingConsumer, RingProducer } from '../../dist/concurrency/byte-ring.js'
import { silentLog } from '../../dist/log.js'
import { AppendStage } from '../../dist/stages/append.js'
import { LogReader } from '../../dist/store/commitlog/index.js'
import { QueueStore } from '../../dist/store/consumequeue/index.js'
import { Dispatcher } from '../../dist/store/dispatch/index.js'
import { IndexWriter } from '../../dist/store/index/index.js'
import { Claimer } from './records.mjs'
import { stageRig } from './stage-rig.mjs'

const SEGMENT = 32 * 1024 * 1024
const QUEUES = 4
const BATCH = 256
/** Hash slots and entries of an index file for a log of this size. */
const INDEX = { maxHashSlotNum: 50_000, maxIndexNum: 200_000 }

export const dispatch = {
  name: 'dispatch',
  unit: 'record',
  make() {
    const rig = stageRig({ mappedFileSizeCommitLog: SEGMENT, tailWriter: 'pwrite', ...INDEX })
    const end = fill(rig)
    const rows = [
      row(rig, end, 'units, mapped', { index: false, slotCount: 16 }),
      row(rig, end, 'units, staged', { index: false, slotCount: 0 }),
      row(rig, end, 'units and index, 2 keys', { index: true, slotCount: 16 }),
    ]
    return {
      rows,
      close() {
        for (const each of rows) each.stop()
        rig.close()
      },
    }
  },
}

/** Writes the log by the append stage; returns its end. */
function fill({ start, runtime, control }) {
  const stage = new AppendStage(start, runtime)
  const submit = new RingProducer(start.submit)
  const acks = new RingConsumer(start.acks)
  const claimer = new Claimer(submit)
  for (let n = 0; control.load('appended') + BATCH * claimer.size < SEGMENT - 4096; ) {
    for (let i = 0; i < BATCH; i++, n++) claimer.claim(n % QUEUES, n % QUEUES)
    submit.commit()
    stage.step()
    while (acks.next() >= 0);
    acks.release()
  }
  stage.close()
  return control.load('appended')
}

function row({ config, control }, end, name, options) {
  let line
  let at = 0
  const bytes = Math.floor(end / Math.floor(end / (BATCH * 1180)))
  const stop = () => {
    if (line === undefined) return
    line.dispatcher.close()
    line.source.close()
    line = undefined
    for (const folder of ['consumequeue', 'index'])
      rmSync(`${config.storePathRootDir}/${folder}`, { recursive: true, force: true })
  }
  return {
    name,
    ops: BATCH,
    stop,
    run() {
      if (line === undefined || at >= end) {
        stop()
        line = open(config, control, options)
        at = 0
      }
      const before = line.dispatcher.recordCount
      const began = performance.now()
      at = line.dispatcher.dispatch(at, end, bytes)
      const ms = performance.now() - began
      return { overriddenDuration: (ms * BATCH) / (line.dispatcher.recordCount - before) }
    },
  }
}

function open(config, clock, { index, slotCount }) {
  const source = new LogReader(config, 2)
  const queues = new QueueStore({ settings: config, slotCount })
  const writer = index ? new IndexWriter({ settings: config, clock }) : undefined
  return { source, dispatcher: new Dispatcher({ settings: config, source, queues, index: writer, log: silentLog }) }
}
