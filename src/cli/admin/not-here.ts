/** Commands of mqadmin that have no counterpart, each with the reason: what they ask for no broker of 4.x has. */
import type { Command } from 'commander'
import { ConfigError } from '../../errors.ts'

const OF_5: Record<string, readonly string[]> = {
  'the controller of RocketMQ 5': [
    'cleanBrokerMetadata',
    'getBrokerEpoch',
    'getControllerConfig',
    'getControllerMetaData',
    'resetMasterFlushOffset',
    'updateControllerConfig',
  ],
  'the controller of RocketMQ 5; of a DLedger group: "basaltmq admin dledger transfer"': ['electMaster'],
  'the controller of RocketMQ 5; of a DLedger group: "basaltmq admin dledger status"': ['getSyncStateSet'],
  'users and rules of ACL 2.0 (RocketMQ 5); rules of ACL 1.0: "basaltmq admin acl"': [
    'copyAcl',
    'copyUser',
    'createAcl',
    'createUser',
    'deleteAcl',
    'deleteUser',
    'getAcl',
    'getUser',
    'listAcl',
    'listUser',
    'updateAcl',
    'updateUser',
  ],
  'the RocksDB files of RocketMQ 5; brokers of 4.x keep JSON': [
    'checkRocksdbCqWriteProgress',
    'exportMetadataInRocksDB',
    'rocksDBConfigToJson',
  ],
  'the broker container of RocketMQ 5': ['addBroker', 'removeBroker'],
  'cold data flow control of RocketMQ 5': [
    'getColdDataFlowCtrInfo',
    'removeColdDataFlowCtrGroupConfig',
    'setCommitLogReadAheadMode',
    'updateColdDataFlowCtrGroupConfig',
  ],
  'consuming by pop (RocketMQ 5)': ['exportPopRecord', 'setConsumeMode'],
  'static topics of RocketMQ 5': ['remappingStaticTopic', 'updateStaticTopic'],
  'compaction topics of RocketMQ 5': ['dumpCompactionLog'],
  'a request of RocketMQ 5; here: "basaltmq admin broker describe BROKER slave", and "top"': ['haStatus'],
}

/** Name → what it is about. */
export const NOT_HERE: ReadonlyMap<string, string> = new Map(
  Object.entries(OF_5).flatMap(([about, names]) => names.map((name) => [name, about] as const)),
)

/** Whoever types one hears why, whatever follows it. */
export function addNotHere(admin: Command): void {
  for (const [name, about] of NOT_HERE) {
    admin
      .command(name, { hidden: true })
      .allowUnknownOption()
      .allowExcessArguments()
      .action(() => {
        throw new ConfigError('NOT_HERE', {
          what: `mqadmin's ${name} is about ${about}`,
          todo: 'no broker of 4.x has it; for those of RocketMQ 5 use their own mqadmin',
        })
      })
  }
}
