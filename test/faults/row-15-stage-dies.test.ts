/** Row 15: the flush, dispatch, housekeeping or HA thread dies under load. */
import { test } from 'vitest'
import { isLong } from './support/scratch.ts'
import { expectThreadDeathIsSurvived, FLUSH_MODES } from './support/stage-death.ts'

const MODES = isLong ? FLUSH_MODES : (['SYNC_FLUSH'] as const)

test.each(
  MODES.flatMap((mode) => (['flush', 'dispatch', 'housekeeping', 'ha'] as const).map((thread) => ({ thread, mode }))),
)(
  '$mode: the death of $thread is named within a second, and nothing acknowledged is lost',
  async ({ thread, mode }) => {
    await expectThreadDeathIsSurvived(thread, mode)
  },
)
