/**
 * What a master believes of a slave's reports: the first says where to begin, each later one acknowledges what was sent.
 *
 * A report that cannot be true ends the connection and moves nothing (RocketMQ takes any number for an acknowledgement, and
 * confirms sends that nobody has: apache/rocketmq #3015). Pure. Source: spec/ha.md §3, §9.
 */
export interface LogRange {
  /** First byte that exists, and the first that does not yet. */
  readonly retained: number
  readonly appended: number
  readonly segmentSize: number
}

export interface Start {
  /** Bytes are sent from here on. */
  readonly from: number
}

export interface Refusal {
  /** Stable, for limits on log lines and for tests. */
  readonly code: 'NEGATIVE' | 'AHEAD' | 'TOO_OLD' | 'BACKWARDS' | 'NEVER_SENT'
  readonly text: string
}

/**
 * Where a slave begins whose first report is `end`. An empty slave gets the last file, as from RocketMQ; one that says 0
 * twice at once asks for everything that is there (a slave of ours; to RocketMQ's master it is one report).
 */
export function startOf(end: number, wantsAll: boolean, log: LogRange): Start | Refusal {
  const { retained, appended, segmentSize } = log
  if (!Number.isSafeInteger(end) || end < 0)
    return { code: 'NEGATIVE', text: `it reports ${end}, which is no place in a log` }
  if (end === 0) {
    const last = appended - (appended % segmentSize)
    return { from: Math.max(retained, wantsAll ? retained : last) }
  }
  if (end > appended) {
    return {
      code: 'AHEAD',
      text:
        `its log ends at ${end}, this one at ${appended}: it has ${end - appended} bytes that this master does not have ` +
        '(it lost its tail, or is not its master); it counts for nothing until its store is removed, or this log’s tail is back',
    }
  }
  if (end < retained) {
    const text = `it wants ${end}, but this log begins at ${retained}: its store has to be removed, then it is filled again`
    return { code: 'TOO_OLD', text }
  }
  return { from: end }
}

/** Why a later report cannot be true, or undefined. */
export function faultOf(end: number, acknowledged: number, sent: number): Refusal | undefined {
  if (!Number.isSafeInteger(end) || end < 0)
    return { code: 'NEGATIVE', text: `it reports ${end}, which is no place in a log` }
  if (end > sent) return { code: 'NEVER_SENT', text: `it reports ${end}, but was sent only what is below ${sent}` }
  if (end < acknowledged) return { code: 'BACKWARDS', text: `it reports ${end} after ${acknowledged}` }
  return undefined
}
