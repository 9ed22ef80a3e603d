/** The bare client, under the name that tests know it by. */
export { BareClient as TestClient, records, type SendOptions } from '../../src/bench/bare-client.ts'
