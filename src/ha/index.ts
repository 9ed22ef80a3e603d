/** Classic replication: bytes of the HA port, the master's sessions, the slave's connection. Run by stages/ha.ts. */
export { LogReceiver } from './log-receiver.ts'
export { HaMaster, type SlaveState } from './master.ts'
export { RecordTrack } from './record-track.ts'
export { HaSlave, type LinkState } from './slave.ts'
