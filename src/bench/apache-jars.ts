/** Whether Apache's broker can be had here: its jars, from the cache or by Maven, and a Java to run them. */
import { BasaltError } from '../errors.ts'

interface FetchTools {
  resolveApache(version: string): { available: true; java: number } | { available: false; reason: string }
}

/** "Java 17". Fetches what is missing, which takes minutes the first time; throws BasaltError where it cannot be had. */
export async function needApache(version: string): Promise<string> {
  const { resolveApache } = (await import(new URL('../../tools/apache/fetch.mjs', import.meta.url).href)) as FetchTools
  const jars = resolveApache(version)
  if (jars.available) return `Java ${jars.java}`
  throw new BasaltError('APACHE_UNAVAILABLE', {
    what: `Apache RocketMQ ${version} cannot be had: ${jars.reason}`,
    todo: 'leave --against out, or make java and mvn work',
  })
}
