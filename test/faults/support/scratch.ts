/** Temporary folders of the fault campaign, and which form of it runs. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** BASALT_CAMPAIGN=long: the forms that take minutes. */
export const isLong = process.env.BASALT_CAMPAIGN === 'long'

export interface Scratch extends Disposable {
  readonly path: string
}

/** A folder that is gone at the end of its scope. */
export function storeFolder(prefix = 'basalt-fault-'): Scratch {
  const path = mkdtempSync(join(tmpdir(), prefix))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}
