/** `inspect map`: a picture of the store in the terminal, as SVG, as a page, or as numbers. */
import { writeFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { Command } from 'commander'
import { type StoreMap, storeMap } from '../../inspect/map/index.ts'
import { hasColours } from '../colours.ts'
import type { Io } from '../io.ts'
import { jsonLine, type StoreFlags, storeCommand, storeOf, widthOf } from './common.ts'
import { mapText } from './map-text.ts'

interface MapFlags extends StoreFlags {
  svg?: string
  html?: string
}

const HELP = `
Each byte of the log is of one kind: unread (a group that reads its topic has not consumed it), waiting (delayed, half of a
transaction), no group (nobody reads the topic), consumed, not dispatched, garbage (no queue leads there), damaged, blank end,
free. Beneath: what is not on disk (^), what is in the page cache. -c tells the broker's fileReservedTime and deleteWhen.

Sizes come from the ConsumeQueues; the log is read only where they do not account for it. Of more than six million records a
sample is read, and the map says so.

  $ basaltmq inspect map store --html map.html
`
/** Where output goes into a file or a pipe. */
const WIDTH_PIPED = 100

export function mapCommand(parent: Command, io: Io): void {
  storeCommand(parent, 'map', 'a picture: what is in each segment, unread, on disk, in memory')
    .option('--svg <file>', 'write it as a drawing')
    .option('--html <file>', 'write it as a page that needs nothing else')
    .addHelpText('after', HELP)
    .action(async (path: string, flags: MapFlags) => {
      const map = storeMap(storeOf(io, path, flags))
      const files = await writeFiles(io, map, flags)
      if (flags.json === true) io.out(jsonLine(map))
      else if (files.length > 0) io.out(files.map((file) => `${file}\n`).join(''))
      else io.out(mapText(map, { width: finite(widthOf(io)), hasColours: hasColours(io) }))
    })
}

/** The drawings are loaded when one is wanted. */
async function writeFiles(io: Io, map: StoreMap, { svg, html }: MapFlags): Promise<string[]> {
  const written: string[] = []
  const write = (file: string, text: string) => {
    writeFileSync(isAbsolute(file) ? file : join(io.cwd, file), text)
    written.push(file)
  }
  if (svg !== undefined) write(svg, (await import('../../inspect/map/svg.ts')).mapSvg(map))
  if (html !== undefined) write(html, (await import('../../inspect/map/page.ts')).mapPage(map))
  return written
}

const finite = (width: number) => (Number.isFinite(width) ? width : WIDTH_PIPED)
