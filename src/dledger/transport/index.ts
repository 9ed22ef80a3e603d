/** Requests between members over remoting: the port of this one, a connection to each other. */
export { type AnyRequest, type AnyResponse, MemberServer, type MemberServerOptions } from './member-server.ts'
export { type CallEnd, PeerLink, type PeerLinkOptions } from './peer-link.ts'
