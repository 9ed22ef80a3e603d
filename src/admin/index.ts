/**
 * What an administrator asks of NameServers and brokers, Apache's and ours, over the remoting protocol alone.
 *
 *   admin-client                       requests, answers, errors; NameServers in turn or all of them
 *   cluster, brokers, namesrv, acl     who is there, configuration, access rules
 *   topics, groups, offsets, messages  what is in them
 *   units, trace, producers            what their queues, clients' traces and brokers tell beside
 *   allocate, alarms, probe, clean     what would be, what is wrong, how long it takes, what may go
 *   backlog, drain, shrink             procedures that take their time
 *   dledger/                           groups of brokers that elect their master; only what rows say of them is in here
 *   picture, waits                     what `top` shows
 */
export * from './acl.ts'
export * from './admin-client.ts'
export * from './admin-error.ts'
export * from './alarms.ts'
export * from './allocate.ts'
export * from './backlog.ts'
export * from './brokers.ts'
export * from './clean.ts'
export * from './cluster.ts'
export * from './dledger/look.ts'
export * from './drain.ts'
export * from './groups.ts'
export * from './messages.ts'
export * from './namesrv.ts'
export * from './offsets.ts'
export * from './picture.ts'
export * from './probe.ts'
export * from './producers.ts'
export * from './resend.ts'
export * from './shrink.ts'
export * from './topics.ts'
export * from './trace.ts'
export * from './units.ts'
