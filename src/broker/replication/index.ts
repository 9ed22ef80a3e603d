/** The broker's part in replication (spec/ha.md); the HA thread is stages/ha.ts. */
export { Replication } from './replication.ts'
