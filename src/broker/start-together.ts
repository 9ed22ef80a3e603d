/** Starts that run side by side: both or neither. */
interface Stoppable {
  stop(): Promise<unknown>
}
interface Closable {
  close(): Promise<unknown>
}

/** The first failure is thrown after the other has settled, so that nothing is left half started. */
export async function startTogether<E extends Stoppable, N extends Closable>(
  starts: [Promise<E>, Promise<N> | undefined],
): Promise<[E, N | undefined]> {
  const [engine, namesrv] = await Promise.allSettled(starts)
  if (engine.status === 'fulfilled' && namesrv.status === 'fulfilled') return [engine.value, namesrv.value]
  if (engine.status === 'fulfilled') await engine.value.stop()
  if (namesrv.status === 'fulfilled') await namesrv.value?.close()
  throw engine.status === 'rejected' ? engine.reason : (namesrv as PromiseRejectedResult).reason
}
