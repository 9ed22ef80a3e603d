/** Up to where nobody writes to the log any more: segments that end at or below it are sealed. */
import type { PositionName } from '../../concurrency/control-block.ts'
import type { StoreSettings } from '../settings.ts'

/** On disk; in a DLedger log committed too, because truncations come to what is not. */
export function sealedEnd(
  control: { load(name: PositionName): number },
  { enableDLegerCommitLog }: Pick<StoreSettings, 'enableDLegerCommitLog'>,
): number {
  const flushed = control.load('flushed')
  return enableDLegerCommitLog ? Math.min(flushed, control.load('replicated')) : flushed
}
