/** Tasks of verify's threads (piscina): one exported function a task. */
export { hashSegment } from './hash-check.ts'
export { verifyIndexFile } from './index-check.ts'
export { verifyLogRange } from './log-range.ts'
export { danglingUnits, verifyQueues } from './queue-check.ts'
