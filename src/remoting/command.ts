/**
 * One request or answer in object form, as every processor but the hot paths sees it.
 *
 * Shapes: spec/remoting.md §2–§7. `ext` holds the custom header fields, all as text. `flag` bit 0: an answer; bit 1: one-way.
 * The opaque of a request of ours is given when it is sent (Connection.invoke), so `request()` leaves it 0.
 */

export interface RemotingCommand {
  code: number
  /** Name of the sender's language, as in LANGUAGES; unknown names pass through. */
  language: string
  /** Ordinal of the sender's release (VERSIONS). */
  version: number
  /** Correlates an answer with its request; int32, negative after Java's wrap. */
  opaque: number
  flag: number
  remark: string | undefined
  ext: Record<string, string> | undefined
  body: Uint8Array | undefined
  serialize: SerializeType
}

/** 0: JSON header, 1: ROCKETMQ (binary) header. */
export type SerializeType = 0 | 1
export const JSON_HEADER = 0
export const BINARY_HEADER = 1

export const FLAG_ANSWER = 1
export const FLAG_ONEWAY = 2

/** Index = code in a binary header. A 4.9 client knows only the first thirteen: we send JAVA. */
export const LANGUAGES = [
  'JAVA',
  'CPP',
  'DOTNET',
  'PYTHON',
  'DELPHI',
  'ERLANG',
  'RUBY',
  'OTHER',
  'HTTP',
  'GO',
  'PHP',
  'OMS',
  'RUST',
  'NODE_JS',
] as const
export const OWN_LANGUAGE = 'JAVA'

/** Ordinals that change behaviour somewhere (spec/remoting.md §6). */
export const VERSIONS = {
  v3_0_11: 37,
  v3_1_8: 62,
  v3_4_9: 121,
  v4_1_0: 232,
  v4_9_4: 401,
  v4_9_8: 409,
  v5_0_0: 413,
  v5_3_3: 479,
} as const
/** What we answer: a consumer refuses SQL92 below 232, and 4.9.8 is whose behaviour we show. */
export const OWN_VERSION = VERSIONS.v4_9_8

/** All nine fields, always in this order, so that every command has one hidden class. */
export function command(
  code: number,
  language: string,
  version: number,
  opaque: number,
  flag: number,
  remark: string | undefined,
  ext: Record<string, string> | undefined,
  body: Uint8Array | undefined,
  serialize: SerializeType,
): RemotingCommand {
  return { code, language, version, opaque, flag, remark, ext, body, serialize }
}

/** A request of ours. */
export function request(code: number, ext?: Record<string, string>, body?: Uint8Array): RemotingCommand {
  return command(code, OWN_LANGUAGE, OWN_VERSION, 0, 0, undefined, ext, body, JSON_HEADER)
}

/** The answer to `asked`: its opaque and header form, our language and version. Add `ext` and `body` to the result. */
export function answerTo(
  asked: Pick<RemotingCommand, 'opaque' | 'serialize'>,
  code: number,
  remark?: string,
): RemotingCommand {
  return command(
    code,
    OWN_LANGUAGE,
    OWN_VERSION,
    asked.opaque,
    FLAG_ANSWER,
    remark,
    undefined,
    undefined,
    asked.serialize,
  )
}

export function isAnswer(it: RemotingCommand): boolean {
  return (it.flag & FLAG_ANSWER) !== 0
}

export function isOneway(it: RemotingCommand): boolean {
  return (it.flag & FLAG_ONEWAY) !== 0
}
