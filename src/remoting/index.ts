/**
 * The remoting protocol: bytes on sockets ⇄ typed requests and answers (spec/remoting.md). Knows nothing of topics or stores.
 *
 *   frame.ts, json-header.ts, binary-header.ts   one frame ⇄ RemotingCommand
 *   schema.ts, schemas/                          one table a request: its header's fields and their types
 *   hot/                                         sends and pulls read and answered in place, without objects
 *   server.ts, connection.ts, client.ts          sockets: whole frames in, one write a tick out, bounds on everything
 *   fastjson.ts                                  the JSON dialect of Java's bodies
 */

export { RemotingClient } from './client.ts'
export * from './command.ts'
export { Connection, type FrameHandler } from './connection.ts'
export * from './frame.ts'
export * from './request-codes.ts'
export * from './response-codes.ts'
export * from './schema.ts'
export { DEFAULT_LIMITS, type RemotingLimits, RemotingServer } from './server.ts'
