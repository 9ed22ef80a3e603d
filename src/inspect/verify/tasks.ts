/** Tasks of the inspector's threads (piscina): one exported function a task. */
export { compareBlocks, countRecords, hashBlocks } from '../diff/block-tasks.ts'
export { diffQueues } from '../diff/queue-diff.ts'
export { hashSegment } from './hash-check.ts'
export { verifyIndexFile } from './index-check.ts'
export { verifyLogRange } from './log-range.ts'
export { danglingUnits, verifyQueues } from './queue-check.ts'
