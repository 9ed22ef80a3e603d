/**
 * The NameServer: which brokers are alive, which topics they have (spec/namesrv.md). Stateless but for the KV configuration.
 *
 *   namesrv.ts          startNamesrv: the port, the scan
 *   processors.ts       one function a request code: route-, broker-, admin-, config-processors.ts
 *   route-tables.ts     what changes brokers;  topic-queues.ts  … and topics;  route-queries.ts  what is asked;  texts.ts  as JSON
 *   min-broker-notices.ts   what brokers of 5.x are told
 *   register-body.ts    topics of a registration, JSON or compressed
 *   kv-config.ts, wiped-brokers.ts   what is kept on disk (and what 318 changed: config/running-config.ts)
 *   names.ts            what a name may be
 */
export { type NamesrvHandle, type NamesrvOptions, startNamesrv } from './namesrv.ts'
export type { Tables } from './route-tables.ts'
export type { BrokerData, DataVersion, LiveBroker, QueueData } from './types.ts'
