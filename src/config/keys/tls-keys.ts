/**
 * RocketMQ's TLS settings, which are system properties of Java there (-Dtls.server.mode=…), and what the file named by
 * tls.config.file may say. For brokers and NameServers.
 */
import { bool, choice, fixed, type KeyTable, secret, text } from './key.ts'

export const TLS_KEYS = {
  'tls.server.mode': fixed(
    choice(
      'permissive',
      ['disabled', 'permissive', 'enforcing'],
      'TLS on the ports: disabled refuses it, permissive serves it and plain connections, enforcing refuses plain ones.',
    ),
  ),
  'tls.enable': fixed(
    bool(false, 'TLS on connections to other servers. Not set: true where tls.server.mode is enforcing.'),
  ),
  'tls.test.mode.enable': fixed(
    bool(true, 'A certificate made at the first handshake, nobody is checked. Not set: false where one is given.'),
  ),
  'tls.config.file': fixed(
    text(
      '/etc/rocketmq/tls.properties',
      'File with tls.test.mode.enable, tls.server.… and tls.client.…; it need not exist.',
    ),
  ),
  'tls.server.need.client.auth': fixed(
    choice(
      'none',
      ['none', 'optional', 'require'],
      'Whether clients are asked for a certificate, and whether one has to come.',
    ),
  ),
  'tls.server.keyPath': fixed(text('', 'Private key of the ports, PEM (PKCS #8).')),
  'tls.server.keyPassword': secret(text('', 'Password of that key.')),
  'tls.server.certPath': fixed(text('', 'Certificate chain of the ports, PEM.')),
  'tls.server.authClient': fixed(bool(false, "Check clients' certificates against tls.server.trustCertPath.")),
  'tls.server.trustCertPath': fixed(text('', "Certificates that are trusted, PEM; empty: the system's.")),
  'tls.client.keyPath': fixed(text('', 'Private key for connections to other servers, PEM (PKCS #8).')),
  'tls.client.keyPassword': secret(text('', 'Password of that key.')),
  'tls.client.certPath': fixed(text('', 'Certificate chain for connections to other servers, PEM.')),
  'tls.client.authServer': fixed(
    bool(false, "Check other servers' certificates (their chain, not their names) against tls.client.trustCertPath."),
  ),
  'tls.client.trustCertPath': fixed(text('', "Certificates that are trusted, PEM; empty: the system's.")),
} as const satisfies KeyTable

/** What tls.config.file may set, as in RocketMQ: all but what has to be known before it is read. */
export const TLS_FILE_KEYS: ReadonlySet<string> = new Set(
  Object.keys(TLS_KEYS).filter((name) => !['tls.server.mode', 'tls.enable', 'tls.config.file'].includes(name)),
)
