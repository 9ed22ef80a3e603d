/** Connections on which nothing happens. */
import { expect, test } from 'vitest'
import { HandMade } from './hand-made.ts'
import { runtime, startMaster, startSlave, until } from './support.ts'

const OK = 0
const SLAVE_NOT_AVAILABLE = 11

test('a connection that never reports counts for nothing', async () => {
  const master = await startMaster()
  const mute = new HandMade(master)
  await until(async () => (await runtime(master)).basalt_slave_0 !== undefined)
  expect((await master.client.send('T', 'x')).code).toBe(SLAVE_NOT_AVAILABLE)
  expect(mute.frames).toEqual([])
})

test('heartbeats keep an idle pair together; silence ends it (USERS: "connection expired" on idle pairs)', async () => {
  const idle = { haSendHeartbeatInterval: 150, haHousekeepingInterval: 1500 }
  const master = await startMaster(idle)
  const slave = await startSlave(master, idle)
  await until(async () => (await runtime(master)).basalt_stored_on === '2 of 2')
  const mute = new HandMade(master)
  mute.say(0)
  await until(() => mute.isClosed)
  expect(mute.frames.filter(({ length }) => length === 0).length).toBeGreaterThan(3)
  await new Promise((resolve) => setTimeout(resolve, 2000))
  expect(slave.lines.of('warn').filter((line) => line.startsWith('master'))).toEqual([])
  expect((await master.client.send('T', 'x')).code).toBe(OK)
})

test('a slave that comes anew: its former connection is spoken to at once, so that a dead one is found', async () => {
  const master = await startMaster()
  const former = new HandMade(master)
  former.say(0)
  await until(() => former.frames.length === 1)
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(former.frames.length).toBe(1)
  const latter = new HandMade(master)
  latter.say(0)
  await until(() => former.frames.length === 2)
  expect(former.frames[1].length).toBe(0)
  // It lives: nothing is done to it.
  expect(former.isClosed).toBe(false)
})
