/**
 * TLS towards other servers (tls.enable): the handshake on a connected socket.
 *
 * As in RocketMQ a server's certificate is checked only with tls.client.authServer=true, and then its chain and not its name:
 * servers are known by addresses. Whoever trusts all the world's authorities should check names, too (checksNames).
 */
import type { Socket } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import type { Log } from '../../log.ts'
import { type TlsFileSettings, TlsFiles } from './tls-files.ts'

export interface ClientTlsSettings extends TlsFileSettings {
  readonly verifiesServers: boolean
  /** Whether the certificate has to name the host that was asked for. */
  readonly checksNames?: boolean
}

export class ClientTls {
  private readonly settings: ClientTlsSettings
  private readonly files: TlsFiles

  /** Throws RemotingError TLS_FILES. */
  constructor(settings: ClientTlsSettings, log: Log) {
    this.settings = settings
    this.files = new TlsFiles('client', settings, log)
  }

  /** Emits 'secureConnect' or 'error'. `host`: who is meant to answer. */
  wrap(socket: Socket, host: string): TLSSocket {
    return connect({
      socket,
      host,
      secureContext: this.files.current(),
      rejectUnauthorized: !this.settings.isTest && this.settings.verifiesServers,
      ...(this.settings.checksNames === true ? {} : { checkServerIdentity: () => undefined }),
    })
  }

  close(): void {
    this.files.close()
  }
}
