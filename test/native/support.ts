/** Folders of one test, and JavaScript for other threads and processes, which load the addon itself (no build of src). */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

export const ADDON = fileURLToPath(new URL('../../build/Release/basalt.node', import.meta.url))

/** A folder of its own, removed after the test. */
export function ownFolder(parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, 'basalt-native-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
