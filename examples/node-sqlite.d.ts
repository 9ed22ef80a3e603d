/** What the example uses of node:sqlite, which the types of Node 20 do not know yet. */
declare module 'node:sqlite' {
  type Value = null | number | bigint | string | Uint8Array
  interface Statement {
    run(...values: (Value | Record<string, Value>)[]): { changes: number | bigint }
    get(...values: (Value | Record<string, Value>)[]): Record<string, Value> | undefined
  }
  class DatabaseSync {
    constructor(path: string)
    exec(sql: string): void
    prepare(sql: string): Statement
    close(): void
  }
}
