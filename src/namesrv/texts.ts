/**
 * The JSON bodies of the NameServer's answers.
 *
 * Routes come in two dialects: "standard" for those who say that they read JSON (keys quoted, non-ASCII and <> escaped),
 * else fastjson's own, in which integer keys stand bare: `{0:"ip:port"}`. Everything else quotes its keys, which
 * fastjson and JSON.parse both read. Shapes: spec/namesrv.md §3, §7, §8; dialect: spec/remoting.md §12.
 */
import type { Tables } from './route-tables.ts'
import type { BrokerData, Route } from './types.ts'

/** Brokers sorted by name, so that NameServers that know the same things say the same bytes. */
export function routeText(route: Route, standard: boolean): string {
  const quote = (it: string) => (standard ? browserText(it) : JSON.stringify(it))
  const addressesText = ({ brokerAddrs }: BrokerData) => {
    const ids = [...brokerAddrs].sort((a, b) => a[0] - b[0])
    return `{${ids.map(([id, address]) => `${standard ? `"${id}"` : id}:${quote(address)}`).join(',')}}`
  }
  const brokers = [...route.brokerDatas].sort(byName).map((it) => {
    // 4.9 does not know this field and passes it over; it is said only where it says something.
    const acting = it.enableActingMaster ? ',"enableActingMaster":true' : ''
    return `{"brokerAddrs":${addressesText(it)},"brokerName":${quote(it.brokerName)},"cluster":${quote(it.cluster)}${acting}}`
  })
  const queues = [...route.queueDatas].sort(byName).map((it) => {
    const counts = `"readQueueNums":${it.readQueueNums},"topicSysFlag":${it.topicSysFlag},"writeQueueNums":${it.writeQueueNums}`
    return `{"brokerName":${quote(it.brokerName)},"perm":${it.perm},${counts}}`
  })
  const filters = [...route.filterServerTable].map(
    ([address, list]) => `${quote(address)}:[${list.map(quote).join(',')}]`,
  )
  const order = route.orderTopicConf === undefined ? '' : `"orderTopicConf":${quote(route.orderTopicConf)},`
  return `{"brokerDatas":[${brokers.join(',')}],"filterServerTable":{${filters.join(',')}},${order}"queueDatas":[${queues.join(',')}]}`
}

/** 106. */
export function clusterText(tables: Tables): string {
  const brokerAddrTable = Object.fromEntries(
    [...tables.brokerAddrTable].map(([name, data]) => [name, brokerJson(data)]),
  )
  const clusterAddrTable = Object.fromEntries([...tables.clusterAddrTable].map(([name, names]) => [name, [...names]]))
  return JSON.stringify({ brokerAddrTable, clusterAddrTable })
}

/** 206, 224, 304, 311–313. `brokerAddr` only with 304. */
export function topicListText(topicList: Iterable<string>, brokerAddr?: string): string {
  return JSON.stringify({ brokerAddr, topicList: [...topicList] })
}

/** 219, and the body of 103's answer. */
export function kvTableText(entries: ReadonlyMap<string, string>): string {
  return JSON.stringify({ table: Object.fromEntries(entries) })
}

/** 901 (5.x). An unknown name is a group without addresses. */
export function memberGroupText(tables: Tables, cluster: string, brokerName: string): string {
  const unknown = { cluster, brokerName, brokerAddrs: new Map<number, string>(), enableActingMaster: false }
  const data = tables.brokerAddrTable.get(brokerName) ?? unknown
  return JSON.stringify({ brokerMemberGroup: { ...brokerJson({ ...data, enableActingMaster: false }), cluster } })
}

function brokerJson({ brokerAddrs, brokerName, cluster, enableActingMaster }: BrokerData) {
  const shown = { brokerAddrs: Object.fromEntries(brokerAddrs), brokerName, cluster }
  return enableActingMaster ? { ...shown, enableActingMaster } : shown
}

/** JSON text in ASCII, safe inside HTML: what fastjson calls BrowserCompatible. */
function browserText(text: string): string {
  return JSON.stringify(text).replace(/[<>\u007f-\uffff]/g, (it) => {
    return `\\u${it.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
  })
}

function byName(a: { brokerName: string }, b: { brokerName: string }): number {
  return a.brokerName < b.brokerName ? -1 : a.brokerName > b.brokerName ? 1 : 0
}
