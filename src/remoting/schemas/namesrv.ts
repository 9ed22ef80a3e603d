/** Headers of the requests that a NameServer serves: spec/namesrv.md §3 and §4. */
import { REQUEST } from '../request-codes.ts'
import { bool, i32, i64, named, optional, schema, text } from '../schema.ts'

const broker = { brokerName: text, brokerAddr: text, clusterName: text, brokerId: i64 }

export const PUT_KV_CONFIG = schema(REQUEST.PUT_KV_CONFIG, { namespace: text, key: text, value: text })
export const GET_KV_CONFIG = schema(REQUEST.GET_KV_CONFIG, { namespace: text, key: text })
export const GET_KV_CONFIG_ANSWER = schema(REQUEST.GET_KV_CONFIG, { value: optional(text) })
export const DELETE_KV_CONFIG = schema(REQUEST.DELETE_KV_CONFIG, { namespace: text, key: text })
export const GET_KVLIST_BY_NAMESPACE = schema(REQUEST.GET_KVLIST_BY_NAMESPACE, { namespace: text })

export const REGISTER_BROKER = schema(REQUEST.REGISTER_BROKER, {
  ...broker,
  haServerAddr: text,
  compressed: optional(bool, false),
  bodyCrc32: optional(i32, 0),
  /** 5.x */
  heartbeatTimeoutMillis: optional(i64),
  /** 5.x; absent: a broker of an older release. */
  enableActingMaster: optional(bool),
  zoneName: named('__ZONE_NAME', optional(text)),
})
export const REGISTER_BROKER_ANSWER = schema(REQUEST.REGISTER_BROKER, {
  haServerAddr: optional(text),
  masterAddr: optional(text),
})
export const UNREGISTER_BROKER = schema(REQUEST.UNREGISTER_BROKER, broker)
export const QUERY_DATA_VERSION = schema(REQUEST.QUERY_DATA_VERSION, broker)
export const QUERY_DATA_VERSION_ANSWER = schema(REQUEST.QUERY_DATA_VERSION, { changed: bool })

export const GET_ROUTEINFO_BY_TOPIC = schema(REQUEST.GET_ROUTEINFO_BY_TOPIC, {
  topic: text,
  acceptStandardJsonOnly: optional(bool, false),
})
export const WIPE_WRITE_PERM_OF_BROKER = schema(REQUEST.WIPE_WRITE_PERM_OF_BROKER, { brokerName: text })
export const WIPE_WRITE_PERM_OF_BROKER_ANSWER = schema(REQUEST.WIPE_WRITE_PERM_OF_BROKER, { wipeTopicCount: i32 })
export const ADD_WRITE_PERM_OF_BROKER = schema(REQUEST.ADD_WRITE_PERM_OF_BROKER, { brokerName: text })
export const ADD_WRITE_PERM_OF_BROKER_ANSWER = schema(REQUEST.ADD_WRITE_PERM_OF_BROKER, { addTopicCount: i32 })
export const DELETE_TOPIC_IN_NAMESRV = schema(REQUEST.DELETE_TOPIC_IN_NAMESRV, {
  topic: text,
  clusterName: optional(text),
})
export const REGISTER_TOPIC_IN_NAMESRV = schema(REQUEST.REGISTER_TOPIC_IN_NAMESRV, { topic: text })
export const GET_TOPICS_BY_CLUSTER = schema(REQUEST.GET_TOPICS_BY_CLUSTER, { cluster: text })

export const GET_BROKER_MEMBER_GROUP = schema(REQUEST.GET_BROKER_MEMBER_GROUP, { clusterName: text, brokerName: text })
export const BROKER_HEARTBEAT = schema(REQUEST.BROKER_HEARTBEAT, {
  clusterName: text,
  brokerAddr: text,
  brokerName: text,
  brokerId: optional(i64),
  epoch: optional(i32),
  maxOffset: optional(i64),
  confirmOffset: optional(i64),
  heartbeatTimeoutMills: optional(i64),
  electionPriority: optional(i32),
})
export const NOTIFY_MIN_BROKER_ID_CHANGE = schema(REQUEST.NOTIFY_MIN_BROKER_ID_CHANGE, {
  minBrokerId: optional(i64),
  brokerName: optional(text),
  minBrokerAddr: optional(text),
  offlineBrokerAddr: optional(text),
  haBrokerAddr: optional(text),
})
