/** What Node does not say of the thread that calls. */
import { addon, checked } from './addon.ts'

/**
 * 0 to 19: from now on the thread gets the processor when no other wants it (19), or less than its share. A thread cannot take it
 * back. Throws where threads have no priority of their own (ENOSYS).
 */
export function setNice(nice: number): void {
  checked(addon().setNice(nice), 'setpriority')
}
