/**
 * The broker as a client of NameServers (spec/namesrv.md §10).
 *
 *   registration.ts       when: at start, every period, on change, at stop; all NameServers in parallel
 *   namesrv-link.ts       one NameServer: what it has accepted, retries, whole table or one topic
 *   register-request.ts   the requests' bytes;  register-answer.ts  the answer, checked
 *   announced-address.ts  which address the broker calls its own
 */
export { type AnnouncedAddress, announcedAddress, tryAddress } from './announced-address.ts'
export type { NamesrvClient } from './namesrv-link.ts'
export type { RegisterAnswer } from './register-answer.ts'
export type { BrokerIdentity, RegisteredTopicConfig, TopicSnapshot, TopicVersion } from './register-request.ts'
export { Registration, type RegistrationOptions } from './registration.ts'
