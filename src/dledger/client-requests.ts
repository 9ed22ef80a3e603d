/**
 * METADATA, APPEND and GET of DLedger's own clients (spec/dledger.md §3.3).
 *
 * Appends that come in one turn of the event loop are written together. Each is answered when it is committed, when 2.5 s have passed
 * (it may still be committed later), or when this member does not lead any more.
 */
import type { Clock } from '../clock.ts'
import { StoreError } from '../errors.ts'
import { type AppendAnswer, CODES, type Core, PendingAppends } from './core/index.ts'
import type { DLedgerLog } from './log/index.ts'
import type { LogDriver } from './log-driver.ts'
import type { Peer } from './peers.ts'
import type { AnyResponse } from './transport/index.ts'
import { type AppendRequest, type ClientRequest, type GetRequest, refusal, WireBatch } from './wire/index.ts'

export interface ClientRequestsOptions {
  group: string
  core: Core
  log: DLedgerLog
  writers: LogDriver
  peers: readonly Peer[]
  clock: Clock
}

type Reply = (response: AnyResponse) => void

/** maxWaitAckTimeMs of DLedger. */
const WAIT_ACK_MS = 2500
/** One entry has to fit into a push. */
const BODY_MAX = 4 * 1024 * 1024 - 48

export class ClientRequests {
  private readonly options: ClientRequestsOptions
  private readonly pending = new PendingAppends()
  private readonly replies = new Map<number, { reply: Reply; term: number }>()
  private nextToken = 1
  private staged: { request: AppendRequest; body: Uint8Array; reply: Reply }[] = []
  private isClosed = false

  constructor(options: ClientRequestsOptions) {
    this.options = options
  }

  /** Throws what the original would throw: requests that lack what they are about. */
  handle(request: ClientRequest, reply: Reply): void {
    const { core, group, peers } = this.options
    switch (request.kind) {
      case 'METADATA': {
        const addresses = Object.fromEntries(peers.map(({ id, address }) => [id, address]))
        reply({ kind: 'METADATA', code: CODES.SUCCESS, group, leaderId: core.leaderId, peers: addresses, term: -1 })
        return
      }
      case 'APPEND':
        this.append(request, reply)
        return
      case 'GET':
        this.get(request, reply)
        return
    }
  }

  committed(index: number): void {
    const out: AppendAnswer[] = []
    this.pending.committed(index, out)
    this.answer(out)
  }

  expire(): void {
    const out: AppendAnswer[] = []
    this.pending.expire(this.options.clock.now(), out)
    this.answer(out)
  }

  /** This member leads no more. */
  abandon(): void {
    const out: AppendAnswer[] = []
    this.pending.abandon(out)
    this.answer(out)
    const { staged } = this
    this.staged = []
    for (const { request, reply } of staged) this.refuse(request, CODES.NOT_LEADER, reply)
  }

  close(): void {
    this.isClosed = true
    this.staged = []
  }

  private append(request: AppendRequest, reply: Reply): void {
    const { core, log } = this.options
    const { body } = request
    if (body === undefined) throw new StoreError('NO_BODY', { what: 'an APPEND without a body' })
    if (core.role !== 'LEADER') this.refuse(request, CODES.NOT_LEADER, reply)
    else if (core.gate === 'closing' || core.gate === 'closed') this.refuse(request, CODES.LEADER_TRANSFERRING, reply)
    else if (core.gate === 'opening') this.refuse(request, CODES.LEADER_NOT_READY, reply)
    else if (this.pending.isFull) this.refuse(request, CODES.LEADER_PENDING_FULL, reply)
    else if (body.length > BODY_MAX || !log.holds(body.length)) this.refuse(request, CODES.DISK_ERROR, reply)
    else {
      if (this.staged.length === 0) setImmediate(() => this.write())
      this.staged.push({ request, body, reply })
    }
  }

  private write(): void {
    const { writers, core, clock } = this.options
    const { staged } = this
    if (this.isClosed || staged.length === 0) return
    this.staged = []
    if (writers.openTerm < 0) {
      const code = core.role === 'LEADER' ? CODES.LEADER_TRANSFERRING : CODES.NOT_LEADER
      for (const { request, reply } of staged) this.refuse(request, code, reply)
      return
    }
    const term = writers.openTerm
    const deadline = clock.now() + WAIT_ACK_MS
    // The commit of a group of one comes before appendLocal returns: the waiting are known before it.
    const { entries, failure } = writers.appendLocal(
      staged.map((it) => it.body),
      (written) => {
        for (const [i, { index, pos }] of written.entries()) {
          const token = this.nextToken++
          this.replies.set(token, { reply: staged[i]!.reply, term })
          this.pending.add({ token, index, pos, deadline })
        }
      },
    )
    for (const { request, reply } of staged.slice(entries.length))
      this.refuse(request, failure?.code === 'DISK_FULL' ? CODES.DISK_FULL : CODES.DISK_ERROR, reply)
  }

  private get(request: GetRequest, reply: Reply): void {
    const { core, log, group } = this.options
    const { beginIndex } = request
    if (beginIndex === undefined) throw new StoreError('NO_INDEX', { what: 'a GET without beginIndex' })
    const code =
      core.role !== 'LEADER'
        ? CODES.NOT_LEADER
        : beginIndex > log.endIndex || log.endIndex < 0
          ? CODES.INDEX_OUT_OF_RANGE
          : beginIndex < log.beginIndex
            ? CODES.INDEX_LESS_THAN_LOCAL_BEGIN
            : CODES.SUCCESS
    const entry = code === CODES.SUCCESS ? log.entryAt(beginIndex) : undefined
    if (entry === undefined) this.refuse(request, code === CODES.SUCCESS ? CODES.DISK_ERROR : code, reply)
    else reply({ kind: 'GET', code, group, term: -1, entries: new WireBatch([entry]) })
  }

  private answer(answers: readonly AppendAnswer[]): void {
    const { group, core } = this.options
    for (const { token, code, index, pos } of answers) {
      const { reply, term } = this.replies.get(token)!
      this.replies.delete(token)
      reply({ kind: 'APPEND', code, group, index, leaderId: core.leaderId, pos, term })
    }
  }

  private refuse(request: ClientRequest, code: number, reply: Reply): void {
    reply(refusal(request, code, this.options.core.leaderId))
  }
}
