/** TLS for the ports (server-tls.ts) and for connections to other servers (client-tls.ts), from files that are followed. */
export { ClientTls, type ClientTlsSettings } from './client-tls.ts'
export { explainTls, ServerTls, type ServerTlsSettings, type TlsMode } from './server-tls.ts'
export type { TlsFileSettings } from './tls-files.ts'
