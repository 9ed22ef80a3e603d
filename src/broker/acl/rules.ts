/**
 * All rules of a broker at one moment: accounts by access key, white addresses, versions by file. Never changed, only
 * replaced as a whole, so that a file that is wrong changes nothing.
 */
import { type Account, accountOf } from './account.ts'
import { AclError } from './acl-error.ts'
import type { AclFile, DataVersion } from './acl-file.ts'
import { type AddressMatch, addressPattern } from './addresses.ts'

export interface AclRules {
  readonly accounts: ReadonlyMap<string, { readonly account: Account; readonly file: string }>
  readonly whiteAddresses: readonly AddressMatch[]
  /** By path, in the order in which they were read. */
  readonly versions: ReadonlyMap<string, DataVersion>
  /** Access keys that a second file has too, and that file: the first one counts. */
  readonly repeated: readonly { readonly accessKey: string; readonly file: string }[]
}

/** `now`: version of files that have none. Throws AclError naming the file. */
export function rulesOf(files: readonly AclFile[], now: number): AclRules {
  const accounts = new Map<string, { account: Account; file: string }>()
  const whiteAddresses: AddressMatch[] = []
  const versions = new Map<string, DataVersion>()
  const repeated: { accessKey: string; file: string }[] = []
  for (const file of files) {
    within(file.path, () => {
      for (const address of file.whiteAddresses) whiteAddresses.push(addressPattern(address))
      for (const entry of file.accounts) {
        const account = accountOf(entry)
        const { accessKey } = account
        if (accounts.has(accessKey)) repeated.push({ accessKey, file: file.path })
        else accounts.set(accessKey, { account, file: file.path })
      }
    })
    versions.set(file.path, file.version ?? { counter: 0, timestamp: now })
  }
  return { accounts, whiteAddresses, versions, repeated }
}

function within(path: string, run: () => void): void {
  try {
    run()
  } catch (error) {
    if (!(error instanceof AclError)) throw error
    throw new AclError(error.what, { where: path, todo: 'correct the file', cause: error })
  }
}
