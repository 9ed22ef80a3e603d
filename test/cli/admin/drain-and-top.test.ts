/** `basaltmq admin drain` and `top` against a broker, and `top --store` at the store of one that hangs. */
import { describe, expect, test } from 'vitest'
import { lookAtStore, verdicts } from '../../../src/cli/admin/top-store.ts'
import { POSITIONS_IDLE_MS } from '../../../src/store/checkpoint/positions-file.ts'
import { rig } from './rig.ts'

const it = rig({ config: { flushDiskType: 'SYNC_FLUSH' } })
const SHORT = '--every 20ms --quiet 100ms'

describe('admin drain', () => {
  test('takes the write permission, waits for every group, says when it is safe, and can be undone', async () => {
    await it.ok('topic create Drained -q 1')
    await it.ok('group create Behind')
    await it.send('Drained', 0, 5)
    await it.commit('Behind', 'Drained', 0, 2)
    expect((await it.ok('drain broker-a --dry-run')).out).toMatch(
      /from 6 \(rw\) to 4 \(r-\)[\s\S]*Behind: 3 messages to consume/,
    )
    expect((await it.run(`drain broker-a ${SHORT}`)).error).toContain('the only master of DefaultCluster')
    const early = await it.run(`drain broker-a ${SHORT} --wait 300ms --yes`)
    expect(early.status).toBe(1)
    expect(early.error).toMatch(/not safe to stop yet: group Behind has 3 messages to consume.*--undo/)
    expect((await it.client.send('Drained', 'refused')).code).toBe(16)
    const draining = it.ok(`drain broker-a ${SHORT} --wait 20s --reads --yes`)
    await it.commit('Behind', 'Drained', 0, 5)
    const { out, error } = await draining
    expect(out).toMatch(/broker-a \(.*\) is safe to stop, after .*SIGTERM[\s\S]*basaltmq admin drain broker-a --undo/)
    expect(error).toContain('3. it gives no messages any more')
    expect((await it.client.pull('Drained', 0, 0)).code).toBe(16)
    expect((await it.ok('drain broker-a --undo')).out).toContain('permission 0 to 6')
    expect((await it.client.send('Drained', 'taken')).code).toBe(0)
  })

  test('a group that nobody needs to wait for is left out', async () => {
    await it.ok('topic create Dead -q 1')
    await it.ok('group create Gone')
    await it.send('Dead', 0, 3)
    await it.commit('Gone', 'Dead', 0, 0)
    await it.commit('Behind', 'Drained', 0, 6)
    const value = await it.json(`drain broker-a ${SHORT} --wait 20s --yes --ignore-group Gone`)
    expect(value).toMatchObject({ done: 'safe to stop', broker: 'broker-a', permission: 4 })
    await it.ok('drain broker-a --undo')
  })
})

describe('admin top', () => {
  test('one picture has brokers, stages, waits, losses and lag', async () => {
    await it.ok('topic create Topped -q 1')
    await it.ok('group create Lagging')
    await it.send('Topped', 0, 20)
    await it.commit('Lagging', 'Topped', 0, 1)
    const { out } = await it.ok('top --once')
    expect(out).toMatch(/1 broker, 0 silent/)
    expect(out).toMatch(/broker-a +127\.0\.0\.1:\d+ +\S+ \(Basalt\)/)
    for (const stage of ['claimed', 'appended', 'flushed', 'total'])
      expect(out).toMatch(new RegExp(`^${stage} +broker-a +\\d+ `, 'm'))
    expect(out).toMatch(/what would be lost now\n.*broker-a: with its disk .*it has no slave/)
    expect(out).toMatch(/^Lagging +19 /m)
    const value = await it.json('top --once --rates --every 50ms')
    expect(value.groups).toContainEqual(expect.objectContaining({ group: 'Lagging', lag: 19 }))
  })

  test('says who waits for whom: sends for a disk that does not answer', async () => {
    await it.ok('topic create Held -q 1')
    it.broker.faults.set('holdSync', 1)
    const held = it.client.send('Held', 'held')
    try {
      await expect
        .poll(async () => (await it.ok('top')).out)
        .toMatch(/broker-a: 1 send waits for fdatasync: \d+ bytes are not on disk/)
      expect((await it.ok('top')).out).toMatch(/by a power cut .* not on disk/)
      const store = async () => (await it.ok(`top --store ${it.broker.folder} --once --rates --every 300ms`)).out
      await expect.poll(store).toContain('flush stands still: fdatasync does not return')
      expect(await store()).toMatch(/process +\d+ runs/)
      expect(await store()).toContain('would be lost by a power cut now')
    } finally {
      it.broker.faults.set('holdSync', 0)
    }
    expect((await held).code).toBe(0)
    expect((await it.run(`top --store ${it.broker.folder}/commitlog`)).error).toMatch(
      /no positions are there .*storePathRootDir/,
    )
  })

  test('of a store: a broker that has nothing to do is not one that hangs', async () => {
    const { folder } = it.broker
    await it.ok(`top --store ${folder} --once`)
    const seen = lookAtStore(folder, '/', Date.now())
    const verdictAt = (ageMs: number) => verdicts({ ...seen, ageMs }).join('; ')
    expect(verdictAt(POSITIONS_IDLE_MS + 500)).toContain('writes its positions')
    expect(verdictAt(POSITIONS_IDLE_MS + 3000)).toMatch(/has not written for \d+ s: it is stopped \(SIGSTOP\)/)
  })

  test('is drawn again and again on a terminal, within its size, until q', async () => {
    let press: (key: string) => void = () => {}
    const screens: string[] = []
    const running = it.run('top --every 20ms', (world) => {
      const { out } = world
      world.out = (text) => {
        screens.push(text)
        out(text)
      }
      world.terminal = {
        columns: 60,
        rows: 12,
        ask: undefined,
        onKey: (listener) => {
          press = listener
          return () => {}
        },
      }
    })
    await expect.poll(() => screens.filter((text) => text.includes('q ends')).length).toBeGreaterThan(2)
    press('q')
    expect((await running).status).toBe(0)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what moves the cursor is not text
    const lines = screens[2].replace(/\u001b\[[?\d]*[a-zA-Z]/g, '').split('\n')
    expect(lines.length).toBeLessThanOrEqual(12)
    expect(screens.at(-1)).toContain('\u001b[?1049l')
  })
})
