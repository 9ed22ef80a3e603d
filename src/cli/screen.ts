/** What is printed when a server is ready: one screen. */
import type { BrokerConfig } from '../config/index.ts'
import type { BrokerHandle, NamesrvHandle } from './io.ts'

export interface Facts {
  version: string
  /** From the command's start to ready. */
  readyMs: number
  /** What goes wrong on purpose: BASALT_FAULTS. */
  faults?: string | undefined
}

function rows(lines: [name: string, text: string | undefined][]): string {
  const known = lines.filter(([, text]) => text !== undefined && text !== '')
  return known.map(([name, text]) => `  ${name.padEnd(12)} ${text}\n`).join('')
}

const head = ({ version }: Facts) => `basaltmq ${version}, Node ${process.versions.node}, pid ${process.pid}\n\n`

export function brokerScreen({ addresses, store }: BrokerHandle, config: BrokerConfig, facts: Facts): string {
  const inside = addresses.namesrv === undefined ? undefined : `${addresses.namesrv} (inside)`
  const fast = addresses.fast === undefined ? '' : `, fast ${addresses.fast}`
  const origin = addresses.origin === undefined ? '' : ` (told to clients; ${addresses.origin})`
  const table = rows([
    ['broker', `${config.brokerName} in ${config.brokerClusterName}`],
    ['clients', `${addresses.broker}${fast}${origin}`],
    ['slaves', addresses.ha],
    ['NameServer', [inside, config.namesrvAddr].filter(Boolean).join(';')],
    ['store', store.folder],
    ['found', store.found],
    ['flush', config.flushDiskType],
    ['replication', replicationOf(config)],
    ['FAULTS', facts.faults === undefined || facts.faults === '' ? '' : `${facts.faults} (on purpose: BASALT_FAULTS)`],
  ])
  const times = `store recovered in ${Math.round(store.recoveredMs)} ms, ready in ${Math.round(facts.readyMs)} ms`
  return `${head(facts)}${table}\n${times}; Ctrl-C stops\n`
}

function replicationOf({ enableDLegerCommitLog, dLegerGroup, dLegerSelfId, brokerRole }: BrokerConfig): string {
  return enableDLegerCommitLog ? `DLedger, member ${dLegerSelfId} of group ${dLegerGroup}` : brokerRole
}

export function namesrvScreen({ address }: NamesrvHandle, facts: Facts): string {
  return `${head(facts)}${rows([['NameServer', address]])}\nready in ${Math.round(facts.readyMs)} ms; Ctrl-C stops\n`
}
