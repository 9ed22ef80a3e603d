/**
 * Basalt as a library: a broker or a NameServer in a process of one's own.
 *
 *   const broker = await startBroker({ config: { storePathRootDir: folder, listenPort: 0, nameServerInsidePort: 0 } })
 *   …
 *   await broker.close()
 */
export { type BrokerHandle, type BrokerOptions, startBroker } from './broker/broker.ts'
export type { BrokerConfig, NamesrvConfig } from './config/index.ts'
export { BasaltError, ConfigError, NativeError, RemotingError, StoreError } from './errors.ts'
export type { Log } from './log.ts'
export { type NamesrvHandle, type NamesrvOptions, startNamesrv } from './namesrv/index.ts'
