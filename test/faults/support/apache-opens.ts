/** Whether a broker of Apache's opens a store that one of ours has left, and what it reads in it. Long forms only: JVMs. */
import { Scratch, SMALL_FILES, startSystem } from '../../interop/support/systems.ts'
import { TINY } from './broker-process.ts'
import { type ReadMessage, readBack } from './load.ts'

export { apacheIsThere, ORACLE } from '../../interop/support/systems.ts'

export async function readByApache(store: string): Promise<ReadMessage[]> {
  const scratch = new Scratch()
  const { mappedFileSizeCommitLog, mappedFileSizeConsumeQueue, maxHashSlotNum, maxIndexNum } = TINY
  const sizes = { mappedFileSizeCommitLog, mappedFileSizeConsumeQueue, maxHashSlotNum, maxIndexNum }
  try {
    const system = await startSystem({ scratch, kind: 'apache', store, config: { ...SMALL_FILES, ...sizes } })
    try {
      return await readBack(system.address)
    } finally {
      await system.close()
    }
  } finally {
    scratch.remove()
  }
}
