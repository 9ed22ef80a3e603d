/**
 * Groups: how they are configured (subscription-groups.ts), which consumers and producers are online (consumer-manager.ts,
 * producer-manager.ts), what they subscribe to (subscription.ts), and who may consume a queue in order (queue-locks.ts).
 */
export * from './consumer-group.ts'
export * from './consumer-manager.ts'
export * from './peer.ts'
export * from './producer-manager.ts'
export * from './queue-locks.ts'
export * from './subscription.ts'
export * from './subscription-groups.ts'
