/** What Linux says about a process: CPU time, private memory, threads. Read from /proc by pid, so Java and Node alike. */
import { readFileSync } from 'node:fs'

/** USER_HZ: fixed on Linux, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100

export interface ProcessStats {
  readonly cpuMs: number
  readonly userMs: number
  readonly systemMs: number
  readonly threads: number
  readonly rssAnonMiB: number
  readonly rssMiB: number
}

/** Throws when there is no such process. */
export function processStats(pid: number): ProcessStats {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ') // field 3 (state) is fields[0]
  const userMs = (Number(fields[11]) * 1000) / TICKS_PER_SECOND
  const systemMs = (Number(fields[12]) * 1000) / TICKS_PER_SECOND
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const number = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0)
  return {
    cpuMs: userMs + systemMs,
    userMs,
    systemMs,
    threads: number('Threads'),
    rssAnonMiB: number('RssAnon') / 1024,
    rssMiB: number('VmRSS') / 1024,
  }
}

/** Names and CPU time (ms) of a process' threads: which stage works how much. */
export function threadStats(pid: number, ids: readonly number[]): { id: number; name: string; cpuMs: number }[] {
  return ids.map((id) => {
    const stat = readFileSync(`/proc/${pid}/task/${id}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
    return { id, name, cpuMs: ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND }
  })
}
