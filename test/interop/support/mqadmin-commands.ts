/**
 * Every sub-command of mqadmin 4.9.7 and 5.3.3: with which arguments it is run, what it must print on Basalt, and why not more
 * where it cannot work. docs/mqadmin.md is made of it.
 *
 * BROKER, NAMESRV and FOLDER in arguments stand for addresses and a scratch folder; {msgId}, {offsetId} and {clientId} for
 * the first message and the consumer that AdminAll.java holds. A command that runs until it is stopped has its `limit`.
 */
export type Tool = '4.9.7' | '5.3.3'

export interface AdminCommand {
  /** Name and arguments, parted by single blanks. */
  readonly line: string
  /** Commands of a phase run at the same time, after all of the phase before. */
  readonly phase: number
  /** What it must print. */
  readonly says: RegExp
  /** Absent: it works. Else why it does not. */
  readonly why?: string
  /** Absent: both. */
  readonly tool?: Tool
  /** It runs for ever; stopped after so many ms. */
  readonly limit?: number
  /** Another part's: whatever the broker answers will do here. */
  readonly isElsewhere?: true
  /** For the document, behind "works". */
  readonly note?: string
}

const OF_5 = 'a request of RocketMQ 5 that no 4.9 broker knows'
const NO_CONTROLLER = 'controller mode of RocketMQ 5; a 4.9 broker has none'
const NO_AUTH = 'users and ACL 2.0 of RocketMQ 5; a 4.9 broker has ACL 1.0'
const NO_ROCKSDB = 'RocksDB of RocketMQ 5; a 4.9 broker keeps JSON files'
const NO_COLD = 'cold data flow control of RocketMQ 5'
const NO_CONTAINER = 'broker container of RocketMQ 5'
const NO_STATIC = 'static topics of RocketMQ 5'
const notSupported = (code: number) => new RegExp(`CODE: 3\\s+DESC:\\s+request type ${code} not supported`)

const works = (phase: number, line: string, says: RegExp, tool?: Tool): AdminCommand => ({
  ...{ phase, line, says },
  ...(tool === undefined ? {} : { tool }),
})
const not = (line: string, says: RegExp, why: string, tool: Tool = '5.3.3'): AdminCommand => ({
  ...{ phase: 2, line, says, why, tool },
})

const CREATED: readonly AdminCommand[] = [
  works(1, 'updateTopic -b BROKER -t Made -r 3 -w 3', /create topic to \S+ success\./),
  works(1, 'updateTopic -c DefaultCluster -t MadeByCluster -r 2 -w 2', /create topic to \S+ success\./),
  works(1, 'updateTopic -b BROKER -t MadeFifo -r 1 -w 1 -a +message.type=FIFO', /create topic to \S+ success/, '5.3.3'),
  works(1, 'updateTopicList -b BROKER -f FOLDER/topics.json', /submit batch of topic config to \S+ success/, '5.3.3'),
  works(1, 'updateSubGroup -b BROKER -g MadeGroup -r 3', /create subscription group to \S+ success/),
  works(1, 'updateSubGroup -c DefaultCluster -g MadeGroup2', /create subscription group to \S+ success/),
  works(
    1,
    'updateSubGroupList -b BROKER -f FOLDER/groups.json',
    /submit batch of group config to \S+ success/,
    '5.3.3',
  ),
  works(1, 'updateKvConfig -s SPACE -k key -v value', /create or update kv config to namespace success/),
  works(1, 'updateOrderConf -t AdminTopic -m put -v broker-a:4', /update orderConf success/),
]

const SHOWN: readonly AdminCommand[] = [
  works(2, 'sendMessage -t Made -p hello -k admin-key -c TagX', /SEND_OK/),
  works(2, 'updateTopicPerm -b BROKER -t MadeByCluster -p 4', /update topic perm from 6 to 4 in \S+ success/),
  works(2, 'topicRoute -t AdminTopic', /"readQueueNums":\s*4/),
  works(2, 'topicStatus -t AdminTopic', /broker-a\s+0\s+0\s+3\s+\d{4}-/),
  works(2, 'topicClusterList -t AdminTopic', /DefaultCluster/),
  works(2, 'brokerStatus -b BROKER', /getTransferedTps\s+: /),
  works(
    2,
    'queryMsgById -i {offsetId}',
    /Topic:\s+AdminTopic[\s\S]*user=ümlaut-0[\s\S]*consumerGroup=AdminGroup, trackType=CONSUMED/,
    '4.9.7',
  ),
  works(
    2,
    'queryMsgById -t AdminTopic -i {offsetId}',
    /Topic:\s+AdminTopic[\s\S]*user=ümlaut-0[\s\S]*consumerGroup=AdminGroup, trackType=CONSUMED/,
    '5.3.3',
  ),
  works(2, 'queryMsgById -i {offsetId} -g AdminGroup -d {clientId}', /consumeResult=CR_SUCCESS/, '4.9.7'),
  works(2, 'queryMsgById -t AdminTopic -i {offsetId} -g AdminGroup -d {clientId}', /consumeResult=CR_SUCCESS/, '5.3.3'),
  works(2, 'queryMsgByKey -t AdminTopic -k s1-1', /[0-9A-F]{32,}\s+\d\s+0/),
  works(2, 'queryMsgByUniqueKey -t AdminTopic -i {msgId}', /Keys:\s+\[s1-0\][\s\S]*trackType=CONSUMED/),
  works(2, 'queryMsgByUniqueKey -t AdminTopic -i {msgId} -g AdminGroup -d {clientId}', /consumeResult=CR_SUCCESS/),
  works(2, 'queryMsgByOffset -t AdminTopic -b broker-a -i 0 -o 0', /Topic:\s+AdminTopic[\s\S]*trackType=CONSUMED/),
  works(2, 'queryMsgTraceById -i {msgId}', /Pub\s+AdminGroupProducer[\s\S]*success/),
  works(2, 'printMsg -t AdminTopic -d true', /minOffset=0, maxOffset=3[\s\S]*keys?s?|MSGID: [0-9A-F]+/i),
  works(2, 'printMsgByQueue -t AdminTopic -a broker-a -i 0 -p true -d true', /(MSGID: [0-9A-F]+[\s\S]*){3}/),
  works(2, 'sendMsgStatus -b broker-a -c 2', /(SEND_OK[\s\S]*){2}/),
  works(2, 'brokerConsumeStats -b BROKER', /AdminTopic\s+AdminGroup\s+broker-a\s+0\s+3\s+3\s+0/),
  works(2, 'producerConnection -g AdminGroupProducer -t AdminTopic', /admin-producer\s+127\.0\.0\.1:\d+\s+JAVA/),
  works(2, 'consumerConnection -g AdminGroup', /admin-consumer[\s\S]*AdminTopic\s+\*[\s\S]*CLUSTERING/),
  works(2, 'consumerProgress', /AdminGroup\s+1\s+V\S+\s+PUSH\s+CLUSTERING\s+\d+\s+0/),
  works(2, 'consumerProgress -g AdminGroup', /AdminTopic\s+broker-a\s+0\s+3\s+3\s+0\s+(0\s+)?\d{4}-/),
  works(2, 'consumerProgress -g AdminGroup -s true', /AdminTopic\s+broker-a\s+0\s+3\s+3\s+\d+\.\S+\s+0/),
  works(2, 'consumerStatus -g AdminGroup', /admin-consumer[\s\S]*Same subscription in the same group/),
  works(2, 'consumerStatus -g AdminGroup -i {clientId} -s', /ProcessQueueInfo \[commitOffset=3[\s\S]*TID: /),
  works(2, 'producer -b BROKER', /producer group \(AdminGroupProducer\) instance : clientId=\S+,remoteIP=\/127/),
  works(2, 'clusterList', /DefaultCluster\s+broker-a\s+0\s+\S+\s+V4_9_/),
  works(2, 'clusterList -m', /broker-a\s+\d+\s+\d+\s+\d+\s+\d+/),
  works(2, 'topicList', /^AdminTopic$/m),
  works(2, 'topicList -c', /DefaultCluster\s+AdminTopic\s+AdminGroup/),
  works(2, 'statsAll -a -t AdminTopic', /AdminTopic\s+AdminGroup\s+0\s+[\d.]+\s+[\d.]+\s+12\s+12/),
  works(2, 'allocateMQ -t AdminTopic -i 192.0.2.1,192.0.2.2', /"192\.0\.2\.2":\[/),
  works(2, 'checkMsgSendRT -t Made -a 3 -s 10', /Avg RT: [\d.]+/),
  works(2, 'getNamesrvConfig', /serverSocketBacklog\s+=\s+1024/),
  works(2, 'getBrokerConfig -b BROKER', /brokerName\s+=\s+broker-a/),
  works(2, 'getConsumerConfig -g MadeGroup', /retryMaxTimes\s+=\s+3/),
  works(2, 'queryCq -t AdminTopic -q 0 -i 0 -c 3', /(physicSize=\d+, tagsCode=25989\d\d[\s\S]*){3}/),
  works(2, 'queryCq -t AdminTopic -q 0 -i 0 -c 3 -g AdminGroup -b BROKER', /Subscription data:[\s\S]*AdminTopic/),
  works(2, 'consumeMessage -t AdminTopic -b broker-a -i 0 -o 0 -c 2 -g ReadGroup', /Consume ok[\s\S]*MSGID: [0-9A-F]+/),
  works(2, 'exportMetadata -c DefaultCluster -f FOLDER', /export \S+metadata\.json success/),
  works(2, 'exportConfigs -c DefaultCluster -f FOLDER', /export \S+configs\.json success/),
  works(2, 'exportMetrics -c DefaultCluster -f FOLDER', /export \S+metrics\.json success/),
  {
    ...works(2, 'clusterRT -a 2 -s 10 -c DefaultCluster -i 1', /DefaultCluster\s+broker-a\s+[\d.]+\s+2\s+0/),
    limit: 4000,
  },
  {
    ...works(2, 'startMonitoring', /^((?!Exception)[\s\S])*$/),
    limit: 3000,
    note: 'it starts; its rounds, minutes apart, are not waited for',
  },
]

const CHANGED: readonly AdminCommand[] = [
  works(3, 'cloneGroupOffset -s AdminGroup -d ClonedGroup -t AdminTopic -o true', /clone group offset success/),
  works(3, 'updateOrderConf -t AdminTopic -m get', /orderConf=\[broker-a:4\]/),
  works(3, 'updateNamesrvConfig -k orderMessageEnable -v true', /update name server config success/),
  works(3, 'cleanExpiredCQ -b BROKER', /success/),
  works(3, 'deleteExpiredCommitLog -b BROKER', /success/),
  works(3, 'cleanUnusedTopic -b BROKER', /success/),
  works(3, 'wipeWritePerm -b broker-a', /wipe write perm of broker\[broker-a\] in name server\[\S+\] OK, \d+/),
  works(3, 'resetOffsetByTime -g AdminGroup -t AdminTopic -s 0', /broker-a\s+0\s+0/),
  // The client that the first reset told stands still for ten seconds: the group of the second is offline.
  works(4, 'resetOffsetByTime -g ClonedGroup -t AdminTopic -s 0', /broker-a\s+0\s+3\s+3\s+0\s+0/),
  works(4, 'addWritePerm -b broker-a', /add write perm of broker\[broker-a\] in name server\[\S+\] OK, \d+/),
  works(4, 'deleteKvConfig -s SPACE -k key', /delete kv config from namespace success/),
  works(
    5,
    'resetOffsetByTime -g ClonedGroup -t AdminTopic -s 0 -b BROKER -q 0 -o 1',
    /reset consumer offset to 1(?![\s\S]*Exception)/,
    '5.3.3',
  ),
  works(5, 'skipAccumulatedMessage -g AdminGroup -t AdminTopic -f true', /broker-a\s+0\s+3/),
  works(6, 'updateOrderConf -t AdminTopic -m delete', /delete orderConf success/),
  works(
    6,
    'deleteSubGroup -b BROKER -g MadeGroup -r true',
    /delete subscription group \[MadeGroup\] from broker \[\S+\] success/,
  ),
  works(6, 'deleteSubGroup -c DefaultCluster -g MadeGroup2', /delete subscription group \[MadeGroup2\][\s\S]*success/),
  works(6, 'deleteTopic -c DefaultCluster -t Made', /delete topic \[Made\] from NameServer success/),
]

/**
 * Served by parts of the broker that have tests of their own (configuration, ACL 1.0): what they print is shown as it is, and
 * here it only counts that they are answered.
 */
const elsewhere = (line: string, says: RegExp, tool?: Tool): AdminCommand => ({
  ...works(3, line, says, tool),
  isElsewhere: true,
})
const ELSEWHERE: readonly AdminCommand[] = [
  elsewhere('updateBrokerConfig -b BROKER -k defaultQueryMaxNum -v 33', /update broker config success/),
  elsewhere('updateAclConfig -b BROKER -a rocketmq2 -s 12345678 -t topicA=DENY', /success/, '4.9.7'),
  elsewhere('deleteAclConfig -b BROKER -a rocketmq2', /success/, '4.9.7'),
  elsewhere('updateGlobalWhiteAddr -b BROKER -g 192.0.2.1', /success/, '4.9.7'),
  elsewhere('clusterAclConfigVersion -b BROKER', /#Cluster Name/, '4.9.7'),
  elsewhere('getAclConfig -b BROKER', /globalWhiteRemoteAddresses/, '4.9.7'),
]

const NOT_OF_49: readonly AdminCommand[] = [
  not(
    'setConsumeMode -b BROKER -t AdminTopic -g MadeGroup -m PULL',
    notSupported(401),
    `${OF_5} (401, consuming by pop)`,
  ),
  not('addBroker -c BROKER -b /none.conf', notSupported(902), NO_CONTAINER),
  not('removeBroker -c BROKER -b DefaultCluster:broker-a:0', notSupported(903), NO_CONTAINER),
  not('resetMasterFlushOffset -b BROKER -o 0', notSupported(908), `${OF_5} (908, automatic failover)`),
  not('updateStaticTopic -b broker-a -t Static -qn 4', notSupported(513), NO_STATIC),
  not('remappingStaticTopic -b broker-a -t Static', /No topic route to do the remapping/, NO_STATIC),
  not('exportMetadataInRocksDB -p FOLDER/none -t topics', /RocksDB path is invalid/, NO_ROCKSDB),
  not('rocksDBConfigToJson -b BROKER -t topics', notSupported(355), NO_ROCKSDB),
  not('checkRocksdbCqWriteProgress -c DefaultCluster -n NAMESRV', notSupported(354), NO_ROCKSDB),
  not('exportPopRecord -b BROKER -d true', notSupported(200_056), 'pop consumption of RocketMQ 5'),
  not('haStatus -b BROKER', notSupported(907), `${OF_5} (907)`),
  not('getSyncStateSet -a BROKER -b broker-a', notSupported(1005), NO_CONTROLLER),
  not('getBrokerEpoch -b broker-a', notSupported(1007), NO_CONTROLLER),
  not('getControllerMetaData -a BROKER', notSupported(1005), NO_CONTROLLER),
  not('getControllerConfig -a BROKER', notSupported(1010), NO_CONTROLLER),
  not('updateControllerConfig -a BROKER -k x -v y', notSupported(1009), NO_CONTROLLER),
  not('electMaster -a BROKER -b 0 -bn broker-a -c DefaultCluster', notSupported(1005), NO_CONTROLLER),
  not('cleanBrokerMetadata -a BROKER -bn broker-a -c DefaultCluster', notSupported(1005), NO_CONTROLLER),
  not(
    'dumpCompactionLog -f FOLDER/none',
    /file .* not exist/i,
    'it reads a local file of a compaction topic (RocketMQ 5), and asks no broker',
  ),
  not('getColdDataFlowCtrInfo -b BROKER', notSupported(2003), NO_COLD),
  not('updateColdDataFlowCtrGroupConfig -b BROKER -g MadeGroup -v 100', notSupported(2001), NO_COLD),
  not('removeColdDataFlowCtrGroupConfig -b BROKER -g MadeGroup', notSupported(2002), NO_COLD),
  not('setCommitLogReadAheadMode -b BROKER -m 1', notSupported(2004), NO_COLD),
  not('createUser -b BROKER -u user -p pass', notSupported(3001), NO_AUTH),
  not('updateUser -b BROKER -u user -p pass2', notSupported(3002), NO_AUTH),
  not('deleteUser -b BROKER -u user', notSupported(3003), NO_AUTH),
  not('getUser -b BROKER -u user', notSupported(3004), NO_AUTH),
  not('listUser -b BROKER', notSupported(3005), NO_AUTH),
  not('copyUser -f BROKER -t BROKER', notSupported(3005), NO_AUTH),
  not('createAcl -b BROKER -s User:user -r Topic:* -a Pub -d Allow', notSupported(3006), NO_AUTH),
  not('updateAcl -b BROKER -s User:user -r Topic:* -a Pub -d Allow', notSupported(3007), NO_AUTH),
  not('deleteAcl -b BROKER -s User:user', notSupported(3008), NO_AUTH),
  not('getAcl -b BROKER -s User:user', notSupported(3009), NO_AUTH),
  not('listAcl -b BROKER', notSupported(3010), NO_AUTH),
  not('copyAcl -f BROKER -t BROKER', notSupported(3010), NO_AUTH),
]

export const COMMANDS: readonly AdminCommand[] = [...CREATED, ...SHOWN, ...CHANGED, ...ELSEWHERE, ...NOT_OF_49]

export const nameOf = ({ line }: AdminCommand): string => line.split(' ')[0]

export function commandsOf(tool: Tool): AdminCommand[] {
  return COMMANDS.filter((command) => command.tool === undefined || command.tool === tool).sort(
    (a, b) => a.phase - b.phase,
  )
}
