/**
 * TLS on a listening port.
 *
 *   disabled     a handshake closes the connection
 *   permissive   the first bytes decide (detect.ts); who speaks plainly is served as if there were no TLS
 *   enforcing    every connection begins with a handshake
 *
 * Rules: spec/remoting.md §7, TLS.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { RemotingError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { unread } from '../read-buffer.ts'
import { type TlsFileSettings, TlsFiles } from './tls-files.ts'

export type TlsMode = 'disabled' | 'permissive' | 'enforcing'

export interface ServerTlsSettings extends TlsFileSettings {
  readonly mode: TlsMode
  /** Whether clients are asked for a certificate, and whether one has to come. */
  readonly clientAuth: 'none' | 'optional' | 'require'
  /** Whether a certificate that came has to be signed by somebody who is trusted. */
  readonly verifiesClients: boolean
}

const HANDSHAKE_MS_MAX = 10_000

export class ServerTls {
  readonly mode: TlsMode
  private readonly settings: ServerTlsSettings
  private readonly files: TlsFiles
  private readonly handshakeMs: number

  /** Throws RemotingError TLS_FILES. */
  constructor(settings: ServerTlsSettings, log: Log, handshakeMs = HANDSHAKE_MS_MAX) {
    this.mode = settings.mode
    this.handshakeMs = handshakeMs
    this.settings = settings
    this.files = new TlsFiles('server', settings, log)
  }

  /** The socket behind a handshake that begins now. `first`: bytes of it that were read already. */
  wrap(socket: Socket, first?: Buffer): TLSSocket {
    if (first !== undefined) unread(socket, first)
    const { handshakeMs } = this
    const { clientAuth, isTest } = this.settings
    const secure = new TLSSocket(socket, {
      isServer: true,
      secureContext: this.files.current(),
      requestCert: isTest || clientAuth !== 'none',
      // Looked at in `admit`, where the reason can be told.
      rejectUnauthorized: false,
    })
    socket.on('error', (error) => secure.destroy(error))
    const timer = setTimeout(
      () => secure.destroy(handshakeFailed(`no handshake within ${handshakeMs} ms`)),
      handshakeMs,
    )
    timer.unref()
    secure.once('close', () => clearTimeout(timer))
    secure.once('secure', () => {
      clearTimeout(timer)
      const refusal = this.admit(secure)
      if (refusal !== undefined) secure.destroy(handshakeFailed(refusal))
    })
    return secure
  }

  close(): void {
    this.files.close()
  }

  /** Why the client's certificate does not do. */
  private admit(secure: TLSSocket): string | undefined {
    const { clientAuth, verifiesClients, isTest } = this.settings
    if (isTest || clientAuth === 'none') return undefined
    const isShown = Object.keys(secure.getPeerCertificate()).length > 0
    if (!isShown)
      return clientAuth === 'require'
        ? 'the client shows no certificate (tls.server.need.client.auth=require)'
        : undefined
    const distrust = verifiesClients ? distrustOf(secure) : undefined
    return distrust && `the client's certificate is not trusted: ${distrust} (tls.server.trustCertPath)`
  }
}

/**
 * What OpenSSL found wrong with the peer's chain. tls.Server asks the handle the same and sets `authorized`, but it takes no
 * socket whose first bytes were read. Where a future Node has no such call nobody is trusted.
 */
function distrustOf(secure: TLSSocket): string | undefined {
  const { _handle: handle } = secure as unknown as { _handle?: { verifyError?: () => NodeJS.ErrnoException | null } }
  if (typeof handle?.verifyError !== 'function') return 'this Node does not say whether it is'
  const error = handle.verifyError()
  return error === null || error === undefined ? undefined : (error.code ?? error.message)
}

export function handshakeFailed(why: string, cause?: unknown): RemotingError {
  return new RemotingError('TLS_HANDSHAKE', { what: `the TLS handshake failed: ${why}`, retriable: true, cause })
}

/** What a peer did whose bytes are no TLS of ours, in place of OpenSSL's numbers; other errors stay what they are. */
export function explainTls(error: Error): Error {
  const { code } = error as NodeJS.ErrnoException
  if (code === undefined || !/^ERR_(SSL|TLS)/.test(code)) return error
  if (
    /WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH_TOO_LONG|EXCESSIVE|UNEXPECTED_MESSAGE|BAD_RECORD_TYPE/.test(code)
  ) {
    return handshakeFailed(
      'the peer speaks no TLS, which this port asks for (tls.server.mode=enforcing): set tls.enable=true in the client',
      error,
    )
  }
  if (/ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE)/.test(code)) {
    return handshakeFailed(
      `the peer does not trust this server's certificate (${code}): check its tls.client.trustCertPath`,
      error,
    )
  }
  return handshakeFailed(code, error)
}
