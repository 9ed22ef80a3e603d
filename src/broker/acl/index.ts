/**
 * Access control, version 1 (plain_acl.yml): who may send, receive and administer. Loaded only when aclEnable is true.
 *
 *   acl-folder.ts, acl-file.ts       which files there are; one file: YAML ⇄ entries
 *   account.ts, addresses.ts, permissions.ts, rules.ts   entries ─▶ the rules in force
 *   acl.ts                           reads, watches, changes them
 *   signature.ts, needs.ts, guard.ts what a request has to prove, and what it needs
 *   guarded-front.ts                 every frame of a port; guarded-view.ts  the answer that names its topic too late
 */

export type { AccountEntry } from './account.ts'
export { Acl, type AclOptions } from './acl.ts'
export { AclError } from './acl-error.ts'
export { checkRequest, checkSeen } from './guard.ts'
export { GuardedFront } from './guarded-front.ts'
export { guardedView } from './guarded-view.ts'
