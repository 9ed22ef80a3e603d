/**
 * The keys that broker state and administration read, by RocketMQ's own names (spec/broker-requests.md §18). A resolved
 * broker configuration (src/config) is one of these; `brokerPermission` may change while the broker runs.
 */
export interface BrokerSettings {
  readonly brokerName: string
  readonly brokerClusterName: string
  readonly brokerId: number
  readonly brokerRole: 'ASYNC_MASTER' | 'SYNC_MASTER' | 'SLAVE'
  readonly brokerPermission: number
  readonly defaultTopicQueueNums: number
  readonly autoCreateTopicEnable: boolean
  readonly autoCreateSubscriptionGroup: boolean
  readonly clusterTopicEnable: boolean
  readonly brokerTopicEnable: boolean
  readonly traceTopicEnable: boolean
  readonly msgTraceTopicName: string
  readonly notifyConsumerIdsChangedEnable: boolean
  readonly enablePropertyFilter: boolean
  readonly defaultQueryMaxNum: number
  readonly maxMsgsNumBatch: number
  readonly useServerSideResetOffset: boolean
  readonly autoDeleteUnusedStats: boolean
  /** Milliseconds. */
  readonly flushConsumerOffsetInterval: number
}
