/** Which of a topic's queues are whose: RocketMQ's six strategies, with Java's results (test/vectors/allocation). */
export { allocateAveragely, allocateAveragelyByCircle, allocateByConfig, allocateByMachineRoom } from './by-index.ts'
export { allocateByConsistentHash, type ConsistentHashOptions } from './consistent-hash.ts'
export { allocateNearby, type MachineRoomResolver } from './machine-room-nearby.ts'
export type { AllocateMessageQueueStrategy, Allocation } from './strategy.ts'
