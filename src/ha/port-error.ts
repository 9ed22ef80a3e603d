import { describe, StoreError } from '../errors.ts'

/** Of whoever listens on the HA port. */
export function haPortError(host: string, port: number, cause: unknown): StoreError {
  return new StoreError('HA_PORT', {
    what: `the port for slaves cannot be listened on: ${describe(cause)}`,
    where: `${host}:${port}`,
    todo: 'free it, or set haListenPort',
    cause,
  })
}
