/**
 * ConsumeQueues: for each (topic, queueId) an array of 20-byte units, indexed by queue offset.
 *
 *   unit            the bytes of one unit
 *   queue-files     names, sizes, allocation, making a file in one step
 *   queue-store     what writers share: maps, descriptors
 *   queue-writer    puts units where their queueOffset says (dispatch thread)
 *   queue-reader    reads units for pulls (network thread, pool)
 *   walk-queue      what a crash left of a queue
 *   recover-queues  all queues at start, and from where dispatch goes on
 *   queue-min       smallest queue offset that exists
 *   placed-units    units that exist, when their records come again
 *   ext-files, ext-writer  tags codes in files of their own (enableConsumeQueueExt)
 *   offset-by-time, look-up-units  tasks of the pool
 */
export * from './ext-files.ts'
export * from './ext-writer.ts'
export * from './look-up-units.ts'
export * from './offset-by-time.ts'
export * from './placed-units.ts'
export * from './queue-files.ts'
export * from './queue-min.ts'
export * from './queue-reader.ts'
export * from './queue-store.ts'
export * from './queue-writer.ts'
export * from './recover-queues.ts'
export * from './unit.ts'
export * from './walk-queue.ts'
