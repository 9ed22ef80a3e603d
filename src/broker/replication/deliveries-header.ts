/**
 * What a slave of ours asks for with 45 beyond RocketMQ's offsets, and a master of ours answers in the header. RocketMQ's
 * masters pass it over, as they do with any field that they do not know.
 */
export const DELIVERIES = {
  asked: 'basaltDeliveries',
  /** The master's <store>/basalt/deliveries. */
  mark: 'basaltMark',
  /** End of the master's log: all that offsets and mark count lies below. */
  end: 'basaltEnd',
} as const
