/**
 * Colours of the kinds, light and dark, beside the look of the reports. What presses is warm and strong, what is done is pale;
 * neighbours are told apart by colour-blind eyes, garbage and free room by their pattern, too.
 */
import { KINDS, type Kind } from './kinds.ts'

const LIGHT: Record<Kind, string> = {
  damaged: '#c2185b',
  undispatched: '#0b66b8',
  unread: '#d95b0a',
  waiting: '#7a5195',
  nobody: '#dcae1d',
  consumed: '#a5b8c9',
  garbage: '#7d8791',
  blank: '#ccd3da',
  free: 'none',
}
const DARK: Record<Kind, string> = {
  damaged: '#ff5c93',
  undispatched: '#5cb1f5',
  unread: '#f78c4d',
  waiting: '#c9a2e6',
  nobody: '#d9b440',
  consumed: '#4b6378',
  garbage: '#8b96a1',
  blank: '#39424d',
  free: 'none',
}

const variables = (colours: Record<Kind, string>, memory: string, frame: string): string =>
  [...KINDS.map((kind) => `--map-${kind}:${colours[kind]}`), `--memory:${memory}`, `--frame:${frame}`].join(';')

const LIGHT_VARIABLES = variables(LIGHT, '#12866a', '#aab4be')
const DARK_VARIABLES = variables(DARK, '#4fc9a4', '#4d5864')

/** The largest topics, then all others; on both grounds. */
export const TOPIC_COLOURS = ['#3f86c9', '#e08a1e', '#1fa37c', '#c76aa5', '#8a7a2f', '#6f63c9', '#d1603d', '#8c959f']

const SHAPES = `
${KINDS.filter((kind) => kind !== 'free' && kind !== 'garbage')
  .map((kind) => `svg .f-${kind}{fill:var(--map-${kind})}`)
  .join('')}
svg .f-garbage{fill:url(#garbage)}
svg .hatch{stroke:var(--map-garbage);stroke-width:2;fill:none}
svg .hatch-ground{fill:var(--grid)}
svg .f-free{fill:none}
svg .frame{fill:none;stroke:var(--frame);stroke-width:1}
svg .cut{stroke:var(--card);stroke-width:1.5}
svg .open{fill:var(--map-damaged)}
svg .memory{fill:var(--memory)}
svg .bad{fill:var(--bad);font-weight:600}
svg .value{font-size:24px;font-weight:700}
svg .title{font-size:20px;font-weight:700}
${TOPIC_COLOURS.map((colour, i) => `svg .t-${i}{fill:${colour}}`).join('')}
`

/** Behind CHART_STYLE. */
export const DRAWING_STYLE = `svg{${LIGHT_VARIABLES}}@media(prefers-color-scheme:dark){svg{${DARK_VARIABLES}}}${SHAPES}svg .v-topic{display:none}`

/** Behind PAGE_STYLE. */
export const MAP_PAGE_STYLE = `
:root{${LIGHT_VARIABLES}}
@media(prefers-color-scheme:dark){:root:not([data-scheme=light]){${DARK_VARIABLES}}}
:root[data-scheme=dark]{${DARK_VARIABLES}}
${SHAPES}
h1{overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,230px),1fr));gap:14px;margin:18px 0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:14px 16px;border-top:4px solid var(--line);min-width:0}
.tile.is-bad{border-top-color:var(--bad)}
.tile.t-unread{border-top-color:var(--map-unread)}
.tile b{display:block;font-size:26px;line-height:1.2;font-weight:700}
.tile.is-bad b{color:var(--bad)}
.tile span{display:block;color:var(--muted);font-size:13px}
.tile p{font-size:13px;margin:4px 0 0;overflow-wrap:anywhere}
.views{display:flex;gap:8px;margin:0 0 12px}
.views[hidden]{display:none}
.views button[aria-pressed=true]{background:var(--ink);color:var(--card)}
.v-topic{display:none}
[data-view=topic] .v-topic{display:revert}
[data-view=topic] .v-kind{display:none}
.hit{fill:transparent;cursor:crosshair}
.hit:focus-visible{outline:2px solid var(--link)}
.here{fill:none;stroke:var(--ink);stroke-width:2;pointer-events:none;visibility:hidden}
.detail{position:sticky;bottom:0;background:var(--card);border-top:1px solid var(--line);margin:12px -20px -18px;padding:10px 20px 12px;border-radius:0 0 12px 12px;font-size:13px;min-height:62px;overflow-wrap:anywhere}
.detail b{font-weight:600}
.detail i{display:inline-block;width:10px;height:10px;border-radius:2px;margin:0 5px 0 10px;vertical-align:-1px}
.detail small{color:var(--muted);font-size:13px}
.notes{color:var(--muted);font-size:13px;margin:0 0 16px;padding-left:20px}
@media(max-width:760px){.detail{margin:12px -12px -14px;padding:10px 12px}.tiles{gap:10px}.tile b{font-size:22px}}
`
