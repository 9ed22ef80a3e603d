/** A group's own topics: what failed waits in one, what failed too often ends in the other. */
const RETRY = '%RETRY%'
const DLQ = '%DLQ%'

export const retryTopicOf = (group: string): string => RETRY + group
export const dlqTopicOf = (group: string): string => DLQ + group
export const isRetryTopic = (topic: string): boolean => topic.startsWith(RETRY)
