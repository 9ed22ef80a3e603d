/**
 * Signatures of requests: Base64(HMAC-SHA1(secret, content)). The content is the values of all ext fields in the order of
 * their names, without the signature itself, and then the body.
 * Rules: spec/remoting.md §8.
 */
import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { RemotingCommand } from './command.ts'

/** Who asks; requests are signed with it where servers check access rules. */
export interface Account {
  /** Its name. */
  readonly accessKey: string
  /** What requests are signed with; it does not travel. */
  readonly secretKey: string
  /** Of a temporary account. */
  readonly securityToken?: string | undefined
}

export const ACCESS_KEY = 'AccessKey'
const SECURITY_TOKEN = 'SecurityToken'
const SIGNATURE = 'Signature'
/** Clients add it to request 12 after they have signed. */
const NOT_SIGNED = '_UNIQUE_KEY_QUERY'

export function signatureOf(
  { ext = {}, body }: Pick<RemotingCommand, 'ext' | 'body'>,
  key: KeyObject | string,
): string {
  let content = ''
  // The default order of sort() is that of Java's strings: by UTF-16 units.
  for (const name of Object.keys(ext).sort()) if (name !== SIGNATURE && name !== NOT_SIGNED) content += ext[name]
  const hmac = createHmac('sha1', key).update(content, 'utf8')
  if (body !== undefined) hmac.update(body)
  return hmac.digest('base64')
}

/** The same request with the account's name and signature. */
export function signed(request: RemotingCommand, account: Account): RemotingCommand {
  const ext: Record<string, string> = { ...request.ext, [ACCESS_KEY]: account.accessKey }
  if (account.securityToken !== undefined) ext[SECURITY_TOKEN] = account.securityToken
  ext[SIGNATURE] = signatureOf({ ext, body: request.body }, account.secretKey)
  return { ...request, ext }
}

export function isSigned(request: Pick<RemotingCommand, 'ext' | 'body'>, key: KeyObject): boolean {
  const given = Buffer.from(request.ext?.[SIGNATURE] ?? '')
  const expected = Buffer.from(signatureOf(request, key))
  return given.length === expected.length && timingSafeEqual(given, expected)
}
