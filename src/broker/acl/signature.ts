/**
 * Signatures of requests: Base64(HMAC-SHA1(secret, content)). The content is the values of all ext fields in the order of
 * their names, without the signature itself, and then the body.
 * Rules: spec/remoting.md §8.
 */
import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { RemotingCommand } from '../../remoting/command.ts'

export const ACCESS_KEY = 'AccessKey'
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

export function isSigned(request: Pick<RemotingCommand, 'ext' | 'body'>, key: KeyObject): boolean {
  const given = Buffer.from(request.ext?.[SIGNATURE] ?? '')
  const expected = Buffer.from(signatureOf(request, key))
  return given.length === expected.length && timingSafeEqual(given, expected)
}
