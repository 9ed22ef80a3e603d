/**
 * What a peer speaks whose first bytes are no frame. Read as a length, each of these is far beyond the largest frame, so
 * this is looked at only after a length failed: it costs good connections nothing.
 */
import { RemotingError } from '../errors.ts'

/** Why the length at bytes[at] cannot be; `framesBefore` 0 means that the connection begins here. */
export function badLength(
  bytes: Buffer,
  at: number,
  end: number,
  framesBefore: number,
  maxFrame: number,
): RemotingError {
  const stranger = framesBefore === 0 ? foreignProtocol(bytes, at, end) : undefined
  if (stranger !== undefined) return stranger
  const total = bytes.readInt32BE(at)
  if (total < 4) {
    return new RemotingError('FRAME_TOO_SMALL', {
      what: `a frame declares ${total} bytes, expected at least 4`,
      todo: 'the peer does not speak the RocketMQ remoting protocol, or its stream is out of step',
    })
  }
  return new RemotingError('FRAME_TOO_LARGE', {
    what: `a frame declares ${total} bytes, at most ${maxFrame - 4} are taken`,
    todo: 'send smaller messages, or split the batch',
  })
}

const HTTP_METHODS = ['GET ', 'POST', 'PUT ', 'HEAD', 'DELE', 'OPTI', 'PATC', 'CONN', 'TRAC']

/** A TLS record of type handshake, of any version of TLS. */
export function isHandshake(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0x16 && bytes[at + 1] === 0x03
}

function foreignProtocol(bytes: Buffer, at: number, end: number): RemotingError | undefined {
  const first = bytes.toString('latin1', at, at + 4)
  if (isHandshake(bytes, at)) {
    return new RemotingError('TLS_NOT_SERVED', {
      what: 'the peer starts a TLS handshake, which this port does not serve',
      todo: 'switch TLS off in the client (tls.enable=false), or on here (tls.server.mode)',
    })
  }
  if (first === 'PRI ') {
    return new RemotingError('HTTP2_NOT_SERVED', {
      what: 'the peer speaks HTTP/2: a gRPC client of RocketMQ 5, which this port does not serve',
      todo: 'use a client of the remoting protocol (rocketmq-client 4.x or 5.x, not rocketmq-client-java)',
    })
  }
  if (HTTP_METHODS.includes(first)) {
    const line = bytes.toString('latin1', at, Math.min(end, at + 64)).split('\r\n')[0]
    return new RemotingError('HTTP_NOT_SERVED', {
      what: `the peer speaks HTTP (${JSON.stringify(line)}); this port serves the RocketMQ remoting protocol only`,
      todo: 'check the port in the health check, scraper or browser that asked',
    })
  }
  if (first === 'PROX' || (bytes[at] === 0x0d && bytes[at + 1] === 0x0a && bytes[at + 2] === 0x0d)) {
    return new RemotingError('PROXY_PROTOCOL_NOT_SERVED', {
      what: 'the peer sends a PROXY protocol preamble, which this port does not serve',
      todo: 'switch the PROXY protocol off in the load balancer',
    })
  }
  return undefined
}
