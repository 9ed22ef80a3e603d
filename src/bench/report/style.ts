/**
 * Colours and type of the reports, light and dark.
 *
 * A mode has one look everywhere: the colour says what it waits for on the slave's side (grey no slave, blue a slave that nobody waits
 * for, vermilion waits for it, green waits for a majority of its group), filled and solid says that it waits for the disk. These four and
 * the steps' colours are told apart by colour-blind eyes (after Okabe and Ito); text has 4.5:1 on its ground, in both schemes.
 */
import type { Mode } from '../results.ts'

const LIGHT = {
  ...{
    bg: '#f4f6f8',
    card: '#ffffff',
    ink: '#1b2027',
    muted: '#57606a',
    grid: '#e4e8ec',
    axis: '#8c959f',
    line: '#d5dbe1',
  },
  ...{
    claim: '#e3e7eb',
    none: '#5f6b77',
    async: '#0b66b8',
    sync: '#bf4a00',
    group: '#00755a',
    apache: '#7a5195',
    good: '#0f6b4f',
    bad: '#a8321b',
  },
  ...{ 'good-bg': '#dff3ea', 'bad-bg': '#fbe4dc', link: '#0b5cad' },
}
const DARK: typeof LIGHT = {
  ...{
    bg: '#0f1318',
    card: '#171c23',
    ink: '#e8edf2',
    muted: '#a3adb8',
    grid: '#2a313a',
    axis: '#78828d',
    line: '#343c46',
  },
  ...{
    claim: '#2c343e',
    none: '#a5b0bb',
    async: '#5cb1f5',
    sync: '#f78c4d',
    group: '#4fd3a8',
    apache: '#c9a2e6',
    good: '#7fd6b1',
    bad: '#f7a08c',
  },
  ...{ 'good-bg': '#12352a', 'bad-bg': '#45211a', link: '#7cc0fa' },
}

const variables = (colours: typeof LIGHT): string =>
  Object.entries(colours)
    .map(([name, colour]) => `--${name}:${colour}`)
    .join(';')

const FONT = `system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif`

/** Of the drawings alone. */
const SHAPES = `
svg text{font:12px ${FONT};fill:var(--ink)}
svg .m{font-size:11px;fill:var(--muted)}
svg .b{font-weight:600}
svg .h{font-size:13px;font-weight:600}
svg .big{font-size:17px;font-weight:700}
svg .grid{stroke:var(--grid);fill:none}
svg .axis{stroke:var(--axis);fill:none}
svg .guide{stroke:var(--axis);fill:none;stroke-dasharray:1 4;stroke-linecap:round}
svg .lead{stroke:var(--axis);fill:none;stroke-width:.75}
svg .claim{fill:var(--claim)}
.k-none{color:var(--none)}.k-async{color:var(--async)}.k-sync{color:var(--sync)}.k-group{color:var(--group)}.k-apache{color:var(--apache)}.k-muted{color:var(--axis)}
svg .curve{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}
svg .range{stroke:currentColor;stroke-width:4;stroke-linecap:round;opacity:.55}
svg .solid{fill:currentColor;stroke:currentColor;stroke-width:2}
svg .hollow{fill:var(--card);stroke:currentColor;stroke-width:2}
svg .bar{fill:currentColor}
svg .bar2{fill:currentColor;opacity:.45}
svg .pulled{stroke-width:6;stroke-opacity:.4}
svg .dashed{stroke-dasharray:5 4}
svg .on-light{fill:#111;font-size:11px}
svg .on-dark{fill:#fff;font-size:11px}
svg .pale{font-size:11px;fill:var(--ink)}
svg .step{stroke:var(--card);stroke-width:.75}
svg .later{fill-opacity:.28;stroke:var(--axis);stroke-dasharray:2 2}
svg .k-none.name,svg .k-async.name,svg .k-sync.name,svg .k-group.name,svg .k-apache.name{fill:currentColor;font-size:11px}
`

/** The README's chart chooses by the reader's scheme alone and brings its own ground: it is read on whatever page it lies. */
export const CHART_STYLE = `svg{${variables(LIGHT)}}@media(prefers-color-scheme:dark){svg{${variables(DARK)}}}${SHAPES}svg .ground{fill:var(--card);stroke:var(--line)}`

export const PAGE_STYLE = `
:root{color-scheme:light;${variables(LIGHT)}}
@media(prefers-color-scheme:dark){:root:not([data-scheme=light]){color-scheme:dark;${variables(DARK)}}}
:root[data-scheme=dark]{color-scheme:dark;${variables(DARK)}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 ${FONT}}
main{max-width:1200px;margin:0 auto;padding:28px 20px 60px}
header{display:flex;gap:16px;justify-content:space-between;align-items:flex-start}
h1{font-size:27px;line-height:1.2;margin:0 0 6px;text-wrap:balance}
h2{font-size:19px;margin:0 0 4px}
h3{font-size:13px;margin:0 0 4px;font-weight:600}
p{margin:0 0 10px;max-width:80ch}
.sub{color:var(--muted);font-size:13px}
.lead{font-size:17px;line-height:1.45;margin:14px 0 18px}
.lead strong{white-space:nowrap}
.partial{background:var(--bad-bg);color:var(--bad);border-radius:8px;padding:9px 14px;font-weight:600;margin:0 0 16px}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:18px 20px;margin:0 0 18px}
section>p{color:var(--muted);font-size:14px}
figure{margin:0;min-width:0}
figure svg,.panel svg{display:block;max-width:100%;height:auto}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:18px 20px}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:18px 20px}
.narrow{display:none}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin:0 0 12px;padding:0;list-style:none;font-size:13px}
.legend li{display:flex;align-items:center;gap:7px}
.legend svg{flex:none}
details{margin-top:12px;font-size:13px}
summary{cursor:pointer;color:var(--link);width:max-content}
.scroll{overflow-x:auto;margin-top:8px}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--muted);padding:0 0 4px}
th,td{padding:5px 10px;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap}
th:first-child,td:first-child,th.l,td.l{text-align:left}
thead th{color:var(--muted);font-weight:600}
tbody th{font-weight:600}
td small{display:block;color:var(--muted);font-size:12px}
.matrix{width:100%}
.matrix td{text-align:left;white-space:normal;border:3px solid var(--card);border-radius:8px;padding:9px 12px;min-width:150px}
.matrix th{border:0}
.matrix td.kept{background:var(--good-bg);color:var(--good)}
.matrix td.lost{background:var(--bad-bg);color:var(--bad)}
.matrix td small{color:inherit}
.matrix td b{font-size:15px}
button{font:13px ${FONT};color:var(--ink);background:var(--card);border:1px solid var(--axis);border-radius:8px;padding:6px 12px;cursor:pointer;white-space:nowrap}
footer{color:var(--muted);font-size:13px;overflow-wrap:anywhere}
@media(max-width:760px){main{padding:18px 12px 40px}section{padding:14px 12px}.wide{display:none}.narrow{display:block}h1{font-size:22px}.lead{font-size:16px}.matrix thead{display:none}.matrix tr,.matrix td,.matrix th{display:block;width:100%}.matrix th{padding:14px 0 4px}.matrix th br{display:none}.matrix td::before{content:attr(data-failure);display:block;font-size:12px}}
@media print{button{display:none}section{break-inside:avoid}}
${SHAPES}`

/** Class of the colour. */
export const hueOf = ({ replication }: Mode): string => HUES[replication]

const HUES = { none: 'k-none', ASYNC_MASTER: 'k-async', SYNC_MASTER: 'k-sync', DLEDGER: 'k-group' } as const

export const markOf = ({ flush }: Mode): 'solid' | 'hollow' => (flush === 'SYNC_FLUSH' ? 'solid' : 'hollow')

/** Of a line: dashed where the disk is not waited for; wide and pale where our slave pulls beside one that is sent to. */
export const curveOf = (mode: Mode, isPull: boolean): string =>
  `curve${markOf(mode) === 'hollow' ? ' dashed' : ''}${isPull ? ' pulled' : ''}`

/** Steps of the waterfall: the ground and a text on it, the same in both schemes. */
export const STEP_COLOURS = {
  claimed: { ground: '#6b7580', ink: '#ffffff' },
  appended: { ground: '#1f5fae', ink: '#ffffff' },
  flushed: { ground: '#e07b28', ink: '#111111' },
  link: { ground: '#6fb7e6', ink: '#111111' },
  slave: { ground: '#1fa37c', ink: '#111111' },
  acknowledged: { ground: '#96508f', ink: '#ffffff' },
} as const
