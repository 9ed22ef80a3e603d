/** Requests of DLedger's own clients, which a member answers beside those of members. Shapes: spec/dledger.md §3.3. */
import type { RequestBase, ResponseBase } from '../core/messages.ts'
import type { WireBatch } from './entry.ts'

export interface MetadataRequest extends RequestBase {
  kind: 'METADATA'
}

export interface AppendRequest extends RequestBase {
  kind: 'APPEND'
  body: Uint8Array | undefined
}

export interface GetRequest extends RequestBase {
  kind: 'GET'
  beginIndex: number | undefined
}

export type ClientRequest = MetadataRequest | AppendRequest | GetRequest

export interface MetadataResponse extends ResponseBase {
  kind: 'METADATA'
  peers?: Readonly<Record<string, string>>
}

export interface AppendResponse extends ResponseBase {
  kind: 'APPEND'
  index: number
  pos: number
}

export interface GetResponse extends ResponseBase {
  kind: 'GET'
  entries: WireBatch
}

export type ClientResponse = MetadataResponse | AppendResponse | GetResponse
