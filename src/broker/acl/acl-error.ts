/** What the access rules refuse: texts are RocketMQ's where it has one, and never hold a secret. */
import { BasaltError } from '../../errors.ts'

export class AclError extends BasaltError {
  override name = 'AclError'

  constructor(what: string, details: { where?: string; todo?: string; cause?: unknown } = {}) {
    super('ACL', { what, ...details })
  }

  /** As a Java broker puts it into the remark of an answer: tools look for the name of the exception. */
  get remark(): string {
    return `org.apache.rocketmq.acl.common.AclException: ${this.what}`
  }
}
