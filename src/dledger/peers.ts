/** dLegerPeers: `n0-host:port;n1-host:port;…`. The id is the text before the first `-` (spec/dledger.md §1.1). */
import { ConfigError } from '../errors.ts'
import { parseAddress } from '../remoting/host.ts'

export interface Peer {
  id: string
  /** host:port. */
  address: string
}

export function parsePeers(text: string): Peer[] {
  const peers = text
    .split(';')
    .map((it) => it.trim())
    .filter((it) => it !== '')
    .map(parsePeer)
  const ids = new Set(peers.map((it) => it.id))
  if (peers.length === 0 || ids.size < peers.length)
    throw new ConfigError('BAD_PEERS', {
      what: `dLegerPeers is "${text}": it must name each member once`,
      where: 'dLegerPeers',
      todo: 'write n0-host:port;n1-host:port;n2-host:port',
    })
  return peers
}

function parsePeer(text: string): Peer {
  const dash = text.indexOf('-')
  const address = text.slice(dash + 1)
  if (dash <= 0)
    throw new ConfigError('BAD_PEERS', {
      what: `"${text}" is no member of a DLedger group`,
      where: 'dLegerPeers',
      todo: 'write n0-host:port;n1-host:port;n2-host:port',
    })
  parseAddress(address)
  return { id: text.slice(0, dash), address }
}
