/** Keys of side checksums, on a broker of its own with two sealed segments. Part of config-changes.test.ts. */
import { expect, onTestFinished, test } from 'vitest'
import { startTestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { bodyOf } from '../rig.ts'
import type { LiveKeys } from './face.ts'

const MIB = 1 << 20
/** The thread is looked after once a second. */
const SOON = { timeout: 10_000, interval: 50 }

export function checksumKeys({ proved }: Pick<LiveKeys, 'proved'>): void {
  test('sideChecksums, sideChecksumRate, scrubRate, scrubInterval: the thread works as they say from then on', async () => {
    for (const key of ['sideChecksums', 'sideChecksumRate', 'scrubRate', 'scrubInterval']) proved.add(key)
    const config = {
      mappedFileSizeCommitLog: MIB,
      maxMessageSize: MIB / 4,
      sideChecksums: false,
      sideChecksumRate: 65_536,
    }
    await using broker = await startTestBroker({ config })
    const client = new TestClient(broker.address)
    onTestFinished(() => client.close())
    const change = async (text: string) => expect((await client.invoke(25, {}, Buffer.from(text))).code).toBe(0)
    const row = async (name: string) =>
      (bodyOf(await client.invoke(28)) as { table: Record<string, string> }).table[`basalt_${name}`]
    for (let i = 0; i < 12; i += 1) await client.send('Sealed', Buffer.alloc(200_000, i))
    // Longer than a thread that may come would wait.
    await new Promise((resolve) => setTimeout(resolve, 3000))
    expect(await row('checksums_state')).toBeUndefined()
    await change('sideChecksums=true')
    await expect.poll(() => row('checksums_state'), SOON).toBe('hashing')
    // A segment takes 16 s at that rate.
    expect(await row('checksums_segments')).toBe('0')
    await change('sideChecksumRate=1073741824')
    await expect.poll(() => row('checksums_segments'), SOON).toBe('2')
    await change('scrubRate=0\nscrubInterval=1000')
    await new Promise((resolve) => setTimeout(resolve, 2100))
    expect(await row('scrub_lastPass')).toBe('0')
    await change('scrubRate=1073741824')
    await expect.poll(() => row('scrub_lastPassBytes'), SOON).toBe(String(2 * MIB))
    await change('sideChecksums=false')
    await expect.poll(() => row('checksums_state'), SOON).toBe('off')
  })
}
