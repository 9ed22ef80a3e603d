import { expect, test } from 'vitest'
import { decodeHeader, encodeHeader, type Schema } from '../../src/remoting/schema.ts'
import * as schemas from '../../src/remoting/schemas/index.ts'
import { framesOf, SCENARIOS } from './vectors.ts'

const byName = Object.entries(schemas) as [string, Schema][]
const requests = new Map(byName.filter(([name]) => !name.endsWith('_ANSWER')).map(([, one]) => [one.code, one]))
const answers = new Map(byName.filter(([name]) => name.endsWith('_ANSWER')).map(([, one]) => [one.code, one]))
for (const code of [29, 30, 31]) answers.set(code, schemas.OFFSET_ANSWER)
for (const code of [310, 320, 36]) answers.set(code, schemas.SEND_MESSAGE_ANSWER)

/** Fields that any request may carry and that nobody reads. */
const EVERYWHERE = new Set(['bname', 'ReqT'])

test.each(SCENARIOS)('every header in %s has a schema, which reads and writes it', (scenario) => {
  for (const { n, kind, header, answers: asked } of framesOf(scenario)) {
    const ext = header.extFields
    if (ext === undefined || Object.keys(ext).length === 0) continue
    const isAnswer = kind === 'response'
    const code = isAnswer ? asked! : header.code
    // Refused sends carry only what every answer to a send carries; topic lists and the like have none.
    if (isAnswer && (ext.msgId === undefined ? ext.MSG_REGION !== undefined : false)) continue
    const of = (isAnswer ? answers : requests).get(code)
    expect(of, `frame ${n}: ${kind} ${code} with ${Object.keys(ext)}`).toBeDefined()
    const known = Object.fromEntries(Object.entries(ext).filter(([key]) => of!.list.some((it) => it.key === key)))
    const unknown = Object.keys(ext).filter((key) => !(key in known) && !EVERYWHERE.has(key))
    expect(unknown, `frame ${n}: ${kind} ${code}`).toEqual([])
    expect(encodeHeader(of!, decodeHeader(of!, ext)), `frame ${n}: ${kind} ${code}`).toMatchObject(known)
  }
})

test('no code has two schemas of one kind', () => {
  const codes = byName.filter(([name]) => !name.endsWith('_ANSWER')).map(([, one]) => one.code)
  expect(new Set(codes).size).toBe(codes.length)
})
