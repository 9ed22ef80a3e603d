/**
 * The broker as a client of NameServers (spec/namesrv.md §10).
 *
 *   broker-registration.ts  a broker's configuration and topics, joined to what follows
 *   registration.ts       when: at start, every period, on change, at stop; all NameServers in parallel
 *   namesrv-link.ts       one NameServer: what it has accepted, retries, whole table or one topic
 *   register-request.ts   the requests' bytes;  register-answer.ts  the answer, checked
 *   announced-address.ts  which address the broker calls its own
 *   address-server.ts     NameServers' addresses from a web server;  order-topics.ts  which topics they call ordered
 */
export { AddressServer, type AddressServerOptions } from './address-server.ts'
export {
  type AnnouncedAddress,
  announce,
  announcedAddress,
  announcement,
  type BrokerAddresses,
  innerAddress,
  ipOf,
  isInContainer,
  tryAddress,
} from './announced-address.ts'
export { BrokerRegistration, type BrokerRegistrationOptions } from './broker-registration.ts'
export type { NamesrvClient } from './namesrv-link.ts'
export { OrderTopics } from './order-topics.ts'
export type { RegisterAnswer } from './register-answer.ts'
export type { BrokerIdentity, RegisteredTopicConfig, TopicSnapshot, TopicVersion } from './register-request.ts'
export { Registration, type RegistrationOptions } from './registration.ts'
