/** Row 14: the append thread dies under load. */
import { test } from 'vitest'
import { expectThreadDeathIsSurvived, FLUSH_MODES } from './support/stage-death.ts'

test.each(FLUSH_MODES)(
  '%s: senders are told at once that append is dead, and nothing acknowledged is lost',
  async (mode) => {
    await expectThreadDeathIsSurvived('append', mode)
  },
)
