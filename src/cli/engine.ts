/** The servers behind the commands. */
import type { BrokerHandle, Engine } from './io.ts'

export async function loadEngine(): Promise<Engine> {
  // biome-ignore lint/suspicious/noTsIgnore: until src/index.ts is there
  // @ts-ignore
  const { startBroker, startNamesrv } = await import('../index.ts')
  return {
    startBroker: (resolved, log): Promise<BrokerHandle> => startBroker({ resolved, log }),
    startNamesrv: ({ config }, log) => {
      const texts = Object.entries(config).map(([key, value]) => [key, String(value)] as const)
      return startNamesrv({ config: Object.fromEntries(texts), log })
    },
  }
}
