/** Headers of topic, group and broker administration: spec/broker-requests.md §12, §13, §15 and §17 (assignments). */
import { REQUEST } from '../request-codes.ts'
import { bool, i32, i64, optional, schema, text } from '../schema.ts'

const topic = { topic: text }
const group = { group: text }

export const UPDATE_AND_CREATE_TOPIC = schema(REQUEST.UPDATE_AND_CREATE_TOPIC, {
  topic: text,
  defaultTopic: text,
  readQueueNums: i32,
  writeQueueNums: i32,
  perm: i32,
  /** SINGLE_TAG or MULTI_TAG. */
  topicFilterType: text,
  topicSysFlag: optional(i32),
  order: optional(bool, false),
  /** 5.x: `+key=value,-key`. */
  attributes: optional(text),
  force: optional(bool),
})
export const DELETE_TOPIC_IN_BROKER = schema(REQUEST.DELETE_TOPIC_IN_BROKER, topic)
export const GET_TOPIC_STATS_INFO = schema(REQUEST.GET_TOPIC_STATS_INFO, topic)
export const GET_TOPIC_CONFIG = schema(REQUEST.GET_TOPIC_CONFIG, { topic: text, lo: optional(bool) })

export const DELETE_SUBSCRIPTIONGROUP = schema(REQUEST.DELETE_SUBSCRIPTIONGROUP, {
  groupName: text,
  /** 4.9 and 5.x name the same thing differently. */
  removeOffset: optional(bool, false),
  cleanOffset: optional(bool, false),
})
export const GET_CONSUME_STATS = schema(REQUEST.GET_CONSUME_STATS, {
  consumerGroup: text,
  topic: optional(text),
  topicList: optional(text),
})
export const GET_BROKER_CONSUME_STATS = schema(REQUEST.GET_BROKER_CONSUME_STATS, { isOrder: bool })
export const QUERY_CONSUME_TIME_SPAN = schema(REQUEST.QUERY_CONSUME_TIME_SPAN, { topic: text, group: text })
export const QUERY_TOPIC_CONSUME_BY_WHO = schema(REQUEST.QUERY_TOPIC_CONSUME_BY_WHO, topic)
export const QUERY_TOPICS_BY_CONSUMER = schema(REQUEST.QUERY_TOPICS_BY_CONSUMER, group)
export const QUERY_SUBSCRIPTION_BY_CONSUMER = schema(REQUEST.QUERY_SUBSCRIPTION_BY_CONSUMER, {
  group: text,
  topic: text,
})
export const GET_SUBSCRIPTIONGROUP_CONFIG = schema(REQUEST.GET_SUBSCRIPTIONGROUP_CONFIG, group)
export const UPDATE_AND_GET_GROUP_FORBIDDEN = schema(REQUEST.UPDATE_AND_GET_GROUP_FORBIDDEN, {
  group: text,
  topic: text,
  readable: optional(bool),
})
export const QUERY_CORRECTION_OFFSET = schema(REQUEST.QUERY_CORRECTION_OFFSET, {
  /** Commas between. */
  filterGroups: optional(text),
  compareGroup: text,
  topic: text,
})
export const CLONE_GROUP_OFFSET = schema(REQUEST.CLONE_GROUP_OFFSET, {
  srcGroup: text,
  destGroup: text,
  topic: optional(text),
  offline: optional(bool, false),
})
export const GET_CONSUMER_CONNECTION_LIST = schema(REQUEST.GET_CONSUMER_CONNECTION_LIST, { consumerGroup: text })
export const GET_PRODUCER_CONNECTION_LIST = schema(REQUEST.GET_PRODUCER_CONNECTION_LIST, { producerGroup: text })

/** Of 26 and 201 too: the DataVersion as JSON text. */
export const GET_BROKER_CONFIG_ANSWER = schema(REQUEST.GET_BROKER_CONFIG, { version: optional(text) })
export const VIEW_BROKER_STATS_DATA = schema(REQUEST.VIEW_BROKER_STATS_DATA, { statsName: text, statsKey: text })
export const QUERY_CONSUME_QUEUE = schema(REQUEST.QUERY_CONSUME_QUEUE, {
  topic: text,
  queueId: i32,
  index: i64,
  count: i32,
  consumerGroup: optional(text),
})

export const UPDATE_AND_CREATE_ACL_CONFIG = schema(REQUEST.UPDATE_AND_CREATE_ACL_CONFIG, {
  accessKey: text,
  secretKey: optional(text),
  whiteRemoteAddress: optional(text),
  admin: optional(bool, false),
  defaultTopicPerm: optional(text),
  defaultGroupPerm: optional(text),
  /** `T=PUB,U=SUB` */
  topicPerms: optional(text),
  groupPerms: optional(text),
})
export const DELETE_ACL_CONFIG = schema(REQUEST.DELETE_ACL_CONFIG, { accessKey: text })
export const GET_BROKER_CLUSTER_ACL_INFO_ANSWER = schema(REQUEST.GET_BROKER_CLUSTER_ACL_INFO, {
  version: text,
  allAclFileVersion: optional(text),
  brokerName: text,
  brokerAddr: text,
  clusterName: text,
})
export const UPDATE_GLOBAL_WHITE_ADDRS_CONFIG = schema(REQUEST.UPDATE_GLOBAL_WHITE_ADDRS_CONFIG, {
  globalWhiteAddrs: text,
  aclFileFullPath: optional(text),
})
