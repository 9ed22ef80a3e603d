/** Errors of src/admin as the client's own. */
import { AdminError } from '../../admin/admin-error.ts'
import { asClientError, ClientError, type ClientErrorCode } from '../errors.ts'

const CODES: Record<string, ClientErrorCode> = {
  NO_NAMESRV: 'NO_NAMESRV',
  NOT_ALL_NAMESRVS: 'NO_NAMESRV',
  BAD_ADDRESS: 'BAD_OPTION',
  TIMEOUT: 'TIMEOUT',
  REFUSED: 'REFUSED',
  NO_BROKER: 'NO_BROKER',
  NO_TOPIC: 'NO_ROUTE',
}

/** In place of hints that are about the command line. */
const HINTS: Record<string, string> = { NO_NAMESRV: 'start one, or give the addresses of those that run in nameserver' }

/** Always throws. */
export function asAdminErrors(error: unknown): never {
  if (!(error instanceof AdminError)) throw asClientError(error)
  throw new ClientError(CODES[error.code] ?? 'NOT_REACHED', {
    what: error.what,
    address: error.where?.replace(/^NameServer /, ''),
    hint: HINTS[error.code] ?? error.todo,
    retriable: error.retriable,
    ...(error.answerCode !== undefined && { answerCode: error.answerCode }),
    cause: error,
  })
}
