/** What a process holds of the machine, for tests that nothing leaks. Files of the store come and go with the load. */
import { readdirSync, readlinkSync } from 'node:fs'
import { pause } from './load.ts'

export function socketsOf(pid: number): number {
  const folder = `/proc/${pid}/fd`
  return readdirSync(folder).filter((name) => isSocket(`${folder}/${name}`)).length
}

/** Waits until the process has no more sockets than `most`; how many it has at the end of the wait. */
export async function settledSockets(pid: number, most: number, limitMs = 10_000): Promise<number> {
  const until = performance.now() + limitMs
  while (socketsOf(pid) > most && performance.now() < until) await pause(50)
  return socketsOf(pid)
}

function isSocket(path: string): boolean {
  try {
    return readlinkSync(path).startsWith('socket:')
  } catch {
    // Closed since it was listed.
    return false
  }
}
