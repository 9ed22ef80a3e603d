/**
 * Node's own arguments for our threads: those of the process, unless they speak of the program's entry.
 *
 * `node --input-type=module -e …` is not true of a thread's file. But a list of their own must not hold V8's flags
 * (--max-old-space-size, --perf-basic-prof: ERR_WORKER_INVALID_EXEC_ARGV), which hold for the whole process anyway: so
 * there is a list only where one is needed, and it is empty.
 */
export function threadArguments(): { execArgv?: string[] } {
  return process.execArgv.some((argument) => argument.startsWith('--input-type')) ? { execArgv: [] } : {}
}
