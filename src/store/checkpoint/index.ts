/**
 * What a start may believe: Apache's checkpoint, our positions file and queues snapshot, and how they come to be true.
 *
 *   checkpoint-file.ts   <root>/checkpoint: three store times (spec/store-format.md §6)
 *   positions-file.ts    <root>/basalt/positions: the positions themselves, in two slots with a CRC (positions-slot.ts)
 *   queues-snapshot.ts   <root>/basalt/queues: next offset of every queue at a durable position
 *   queue-files.ts       syncs what changed in ConsumeQueue, ConsumeQueueExt and index folders
 *   store-times.ts       store time of a record near a position, for the checkpoint
 *   settler.ts           dispatched ─▶ all dirty files synced ─▶ settled ─▶ positions, checkpoint, snapshot
 */
export { type Checkpoint, CheckpointFile } from './checkpoint-file.ts'
export { fileIdentity, type Marks, PositionsFile, type Trust, trustOf } from './positions-file.ts'
export { decodeSlot, encodeSlot, type PositionsSlot, SLOT_SIZE } from './positions-slot.ts'
export { type QueueMark, type QueuesSnapshot, readQueuesSnapshot, writeQueuesSnapshot } from './queues-snapshot.ts'
export { Settler } from './settler.ts'
