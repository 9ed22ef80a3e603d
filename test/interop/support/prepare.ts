/** Once before all files: Apache's jars are there and our Java programs compiled, so that no two workers do it at a time. */
import { apacheJars } from '../../../tools/apache/apache.mjs'
import { compiledClasses } from '../../../tools/apache/java.mjs'
import { apacheIsThere, CLIENTS } from './systems.ts'

export default function prepare(): void {
  for (const version of CLIENTS) if (apacheIsThere(version)) compiledClasses(apacheJars(version))
}
