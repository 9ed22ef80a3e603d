/** The broker's part in replication (spec/ha.md; the HA thread is stages/ha.ts), and in a DLedger group (stages/dledger.ts). */
export { GroupMember } from './group-member.ts'
export type { Membership } from './membership.ts'
export { Replication } from './replication.ts'
