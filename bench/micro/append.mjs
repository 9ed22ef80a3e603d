/**
 * Question: what does append cost a record, and which tail is cheaper: stores into the map, or one pwrite a batch?
 *
 * Setup: AppendStage.step() without its thread, records of 1 KiB from a ring, batches of 1, 32 and 256, nobody to wake.
 * Only step() is timed; encoding into the ring is a row of its own. The segment is written again and again.
 */
import { RingConsumer, RingProducer } from '../../dist/concurrency/byte-ring.js'
import { ControlBlock } from '../../dist/concurrency/control-block.js'
import { AppendStage } from '../../dist/stages/append.js'
import { Claimer } from './records.mjs'
import { stageRig } from './stage-rig.mjs'

const SEGMENT = 64 * 1024 * 1024
const BATCHES = [1, 32, 256]
/** Records a call, so that a batch of one is not below the timer. */
const RECORDS = 256

export const append = {
  name: 'append',
  unit: 'record',
  make() {
    const rigs = ['pwrite', 'map'].map((tailWriter) => stageRig({ tailWriter, mappedFileSizeCommitLog: SEGMENT }))
    const rows = [encodeRow(rigs[0]), ...rigs.flatMap((rig) => stageRows(rig))]
    return {
      rows,
      close() {
        for (const rig of rigs) rig.close()
      },
    }
  },
}

function encodeRow({ start }) {
  const submit = new RingProducer(start.submit)
  const claimer = new Claimer(submit)
  return {
    name: 'encode into the ring',
    ops: RECORDS,
    run() {
      for (let i = 0; i < RECORDS; i++) claimer.claim(0, 0)
      submit.abandon()
    },
  }
}

function stageRows({ start, runtime, control, config }) {
  let stage
  return BATCHES.map((batch) => ({
    name: `${config.tailWriter}, batches of ${batch}`,
    ops: RECORDS,
    run() {
      stage ??= new AppendStage(start, runtime)
      const submit = new RingProducer(start.submit)
      const acks = new RingConsumer(start.acks)
      const claimer = new Claimer(submit)
      if (control.load('appended') + RECORDS * claimer.size > SEGMENT - 4096) rewind(control)
      let ms = 0
      for (let done = 0; done < RECORDS; done += batch) {
        for (let i = 0; i < batch; i++) claimer.claim(0, 0, control.epoch)
        submit.commit()
        const began = performance.now()
        const taken = stage.step()
        ms += performance.now() - began
        if (taken !== batch) throw new Error(`append took ${taken} of ${batch}`)
        while (acks.next() >= 0);
        acks.release()
      }
      return { overriddenDuration: ms }
    },
  }))
}

/** The stage goes to the tail that the next epoch finds. */
function rewind(control) {
  control.writer('appended').reset(0)
  Atomics.add(control.words, ControlBlock.index('epoch'), 1)
}
