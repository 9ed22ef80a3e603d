// Moves `appended` through values whose halves are equal; the plain store before each must be visible with it.
import { workerData } from 'node:worker_threads'
import { ControlBlock } from '../../../dist/concurrency/control-block.js'

const control = ControlBlock.attach(workerData.control)
const plain = new Float64Array(workerData.side)
const appended = control.writer('appended')
for (let i = 1; i <= workerData.updates; i += 1) {
  plain[0] = i
  appended.advance(i * 2 ** 25 + i)
}
