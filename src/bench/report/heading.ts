/** What every report says first: what ran where, what is missing. */
import type { LossResult, Machine, ModesResult } from '../results.ts'
import { digits, plural, time, whole } from './format.ts'
import { injectedText, type Selection } from './selection.ts'

export const PARTIAL = 'PARTIAL: the run was ended before its end; what is here was measured, the rest is missing.'

export function versionsLine({ date, node, basalt, apache, java }: Machine): string {
  const theirs = apache === undefined ? [] : [`Apache RocketMQ ${apache}${java === undefined ? '' : ` on ${java}`}`]
  return [date.slice(0, 10), `basaltmq ${basalt}`, `Node ${node.replace(/^v/, '')}`, ...theirs].join(', ')
}

export function machineLine({ cores, cpu, memoryGiB, system, fileSystem }: Machine): string {
  return [`${plural(cores, 'core')} (${cpu})`, `${digits(memoryGiB)} GiB`, system, fileSystem].join(', ')
}

export function conditionsLine(selection: Selection): string {
  const { conditions, all } = selection
  if (conditions === undefined) return 'no cell was measured'
  const rounds = all.map((each) => each.rounds)
  const [least, most] = [Math.min(...rounds), Math.max(...rounds)]
  return [
    `bodies of ${whole(conditions.bodySize)} bytes`,
    `${least === most ? plural(least, 'round') : `${least} to ${most} rounds`} a cell`,
    'servers and load on one machine',
    injectedText(conditions),
  ]
    .filter((part) => part !== '')
    .join(', ')
}

export function floorsLine({ floors }: ModesResult): string {
  const { fdatasyncUs, roundTripUs, wakeUpUs } = floors
  return `This machine takes ${time(fdatasyncUs)} for an fdatasync, ${time(roundTripUs)} for a round trip, ${time(wakeUpUs)} to wake a thread.`
}

export function optionsLine({ options }: ModesResult | LossResult): string {
  const given = Object.entries(options).map(([name, value]) => (value === '' ? name : `${name}=${value}`))
  return given.length === 0 ? '' : `options: ${given.join(' ')}`
}
