/**
 * TLS towards other servers (tls.enable): the handshake on a connected socket.
 *
 * As in RocketMQ a server's certificate is checked only with tls.client.authServer=true, and then its chain and not its name:
 * servers are known by addresses.
 */
import type { Socket } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import type { Log } from '../../log.ts'
import { type TlsFileSettings, TlsFiles } from './tls-files.ts'

export interface ClientTlsSettings extends TlsFileSettings {
  readonly verifiesServers: boolean
}

export class ClientTls {
  private readonly settings: ClientTlsSettings
  private readonly files: TlsFiles

  /** Throws RemotingError TLS_FILES. */
  constructor(settings: ClientTlsSettings, log: Log) {
    this.settings = settings
    this.files = new TlsFiles('client', settings, log)
  }

  /** Emits 'secureConnect' or 'error'. */
  wrap(socket: Socket): TLSSocket {
    return connect({
      socket,
      secureContext: this.files.current(),
      rejectUnauthorized: !this.settings.isTest && this.settings.verifiesServers,
      checkServerIdentity: () => undefined,
    })
  }

  close(): void {
    this.files.close()
  }
}
