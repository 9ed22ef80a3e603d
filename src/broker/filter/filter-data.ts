/**
 * One SQL92 filter of one group on one topic, and its entry in consumerFilter.json.
 * Shape: spec/store-format.md §7, observed on RocketMQ 4.9.7.
 */
import type { FilterBits, SqlFilter } from '../../filter/index.ts'
import { integerOf } from '../metadata.ts'

export const SQL92 = 'SQL92'

export interface FilterData {
  readonly topic: string
  readonly group: string
  readonly filter: SqlFilter
  readonly bits: FilterBits
  /** Milliseconds since 1970: when this expression came. */
  readonly bornTime: number
  /** When the group went; 0 while it is there. */
  deadTime: number
  /** subVersion of the subscription that it was in last. */
  clientVersion: number
  /** Version of the table in which this expression appeared. */
  readonly since: number
  /**
   * From this place of the log on, dispatch has set its bits where it matches: what has bits without them there is not
   * wanted. Not in the file: what another process wrote is not believed, RocketMQ's bits neither.
   */
  trustedFrom: number
}

/** The entry as fastjson writes it. */
export function filterDataText(data: FilterData): string {
  const { topic, group, filter, bits, bornTime, deadTime, clientVersion } = data
  const text = JSON.stringify
  return [
    `{`,
    `\t"bloomFilterData":{`,
    `\t\t"bitNum":${bits.bitNum},`,
    `\t\t"bitPos":[${bits.bitPos.join(',')}]`,
    `\t},`,
    `\t"bornTime":${bornTime},`,
    `\t"clientVersion":${clientVersion},`,
    `\t"consumerGroup":${text(group)},`,
    `\t"dead":${deadTime > 0},`,
    `\t"deadTime":${deadTime},`,
    `\t"expression":${text(filter.expression)},`,
    `\t"expressionType":"${SQL92}",`,
    `\t"topic":${text(topic)}`,
    `}`,
  ].join('\n')
}

/** What an entry of the file says; undefined where it is none. The expression may be wrong. */
export function readFilterData(
  value: unknown,
): { expression: string; bornTime: number; deadTime: number; clientVersion: number } | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { expression, expressionType, bornTime, deadTime, clientVersion } = value as Record<string, unknown>
  if (typeof expression !== 'string' || expressionType !== SQL92) return undefined
  return {
    expression,
    bornTime: integerOf(bornTime) ?? 0,
    deadTime: integerOf(deadTime) ?? 0,
    clientVersion: integerOf(clientVersion) ?? 0,
  }
}
