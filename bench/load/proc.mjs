// @ts-check
/** What Linux says about a process: CPU time, private memory, threads. Read from /proc by pid, so Java and Node alike. */
import { readFileSync } from 'node:fs'

const TICKS_PER_SECOND = 100 // USER_HZ: fixed on Linux, whatever the kernel's own tick is

/**
 * @param {number} pid
 * @returns {{cpuMs: number, userMs: number, systemMs: number, threads: number, rssAnonMiB: number, rssMiB: number}}
 */
export function processStats(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ') // field 3 (state) is fields[0]
  const userMs = (Number(fields[11]) * 1000) / TICKS_PER_SECOND
  const systemMs = (Number(fields[12]) * 1000) / TICKS_PER_SECOND
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const kib = (/** @type {string} */ name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0)
  return {
    cpuMs: userMs + systemMs,
    userMs,
    systemMs,
    threads: kib('Threads'),
    rssAnonMiB: kib('RssAnon') / 1024,
    rssMiB: kib('VmRSS') / 1024,
  }
}

/** Names and CPU time (ms) of a process' threads: which stage works how much. */
export function threadStats(/** @type {number} */ pid, /** @type {number[]} */ ids) {
  return ids.map((id) => {
    const stat = readFileSync(`/proc/${pid}/task/${id}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
    return { id, name, cpuMs: ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND }
  })
}
