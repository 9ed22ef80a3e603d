/** The servers behind the commands. */
import type { Engine } from './io.ts'

export async function loadEngine(): Promise<Engine> {
  const { startBroker, startNamesrv } = await import('../index.ts')
  return {
    startBroker: (resolved, log, faults) => startBroker({ resolved, log, ...(faults === undefined ? {} : { faults }) }),
    startNamesrv: (resolved, log) => startNamesrv({ resolved, log }),
  }
}
