/** Row 15: the flush, dispatch or housekeeping thread dies under load (HA: test/ha/pair.test.ts). */
import { test } from 'vitest'
import { isLong } from './support/scratch.ts'
import { expectThreadDeathIsSurvived, FLUSH_MODES } from './support/stage-death.ts'

const MODES = isLong ? FLUSH_MODES : (['SYNC_FLUSH'] as const)

test.each(
  MODES.flatMap((mode) => (['flush', 'dispatch', 'housekeeping'] as const).map((thread) => ({ thread, mode }))),
)(
  '$mode: the death of $thread is named within a second, and nothing acknowledged is lost',
  async ({ thread, mode }) => {
    await expectThreadDeathIsSurvived(thread, mode)
  },
)
