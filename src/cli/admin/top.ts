/**
 * `basaltmq admin top`: a live screen of the cluster; with --store that of a broker which does not answer, from the
 * positions file that it keeps in its store.
 */
import { look, type Picture } from '../../admin/index.ts'
import { describe as tell } from '../../errors.ts'
import type { Context } from './context.ts'
import { parseDuration } from './format.ts'
import type { CommandSpec, Given } from './spec.ts'
import { pictureText } from './top-screen.ts'
import { lookAtStore, type StoreLook, storeText } from './top-store.ts'

const HOME = '\u001b[H'
const CLEAR_LINE = '\u001b[K'
const CLEAR_BELOW = '\u001b[J'
const OTHER_SCREEN = '\u001b[?1049h\u001b[?25l'
const BACK = '\u001b[?25h\u001b[?1049l'

async function top(context: Context, given: Given): Promise<void> {
  const everyMs = parseDuration(given.text('every') ?? '2s')
  const folder = given.text('store')
  const next = folder === undefined ? clusterScreen(context) : storeScreen(context, folder)
  const { terminal } = context.io
  if (given.is('once') || context.isJson || terminal === undefined) {
    // Rates need two looks.
    if (given.is('rates')) {
      await next()
      await context.sleep(everyMs)
    }
    const { value, text } = await next()
    context.show(value, () => text(undefined))
    return
  }
  const release = terminal.onKey?.((key) => {
    if (key === 'q' || key === '\u0003') context.stop()
  })
  context.io.out(OTHER_SCREEN)
  try {
    while (!context.isStopped) {
      const text = await next().then(
        (screen) => screen.text(terminal.rows - 1),
        (error: unknown) => `${tell(error)}\n`,
      )
      context.io.out(`${HOME}${text.replaceAll('\n', `${CLEAR_LINE}\n`)}q ends${CLEAR_LINE}${CLEAR_BELOW}`)
      await context.sleep(everyMs)
    }
  } finally {
    context.io.out(BACK)
    release?.()
  }
}

interface Screen {
  value: unknown
  text(rows: number | undefined): string
}

function clusterScreen(context: Context): () => Promise<Screen> {
  let before: Picture | undefined
  return async () => {
    const picture = await look(context.admin, () => context.waiter.now(), before)
    before = picture
    const value = { ...picture, brokers: picture.brokers.map(({ runtime: _, ...rest }) => rest) }
    return { value, text: (rows) => cutRows(pictureText(context, picture), rows) }
  }
}

function storeScreen(context: Context, folder: string): () => Promise<Screen> {
  let before: StoreLook | undefined
  return async () => {
    const seen = lookAtStore(folder, context.io.cwd, context.waiter.now())
    const text = storeText(seen, before)
    before = seen
    return { value: seen, text: (rows) => cutRows(text, rows) }
  }
}

function cutRows(text: string, rows: number | undefined): string {
  if (rows === undefined) return text
  const lines = text.split('\n')
  return lines.length <= rows ? text : `${lines.slice(0, rows - 1).join('\n')}\n`
}

export const TOP: readonly CommandSpec[] = [
  {
    path: 'top',
    about: 'a live screen: rates, latencies by stage, who waits for whom, what would be lost now, lag by group',
    mqadmin: [],
    options: [
      { flags: '--once', about: 'one picture, then end (also without a terminal)' },
      { flags: '--rates', about: 'with --once: look twice, so that rates are those of the time between' },
      { flags: '--every <duration>', about: 'how often to look (2s)' },
      { flags: '--store <folder>', about: 'read the positions file of this store: for a broker that hangs' },
    ],
    examples: ['top', 'top --once --json', 'top --once --rates --every 5s', 'top --store /var/lib/basaltmq --once'],
    run: top,
  },
]
