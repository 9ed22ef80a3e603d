/** The NameServer inside the broker's process. */
import { resolve } from 'node:path'
import type { BrokerConfig } from '../config/index.ts'
import type { Log } from '../log.ts'
import { type NamesrvHandle, startNamesrv } from '../namesrv/index.ts'
import { namesrvConfigOf } from './access.ts'

export function startInside(config: BrokerConfig, log: Log): Promise<NamesrvHandle> {
  return startNamesrv({
    port: config.nameServerInsidePort,
    host: config.bindAddress,
    kvConfigPath: resolve(config.storePathRootDir, 'basalt', 'kvConfig.json'),
    config: namesrvConfigOf(config),
    log,
  })
}
