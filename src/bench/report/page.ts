/**
 * One HTML page that needs nothing else: styles, drawings and one small script inside, nothing from the network (its own policy
 * forbids it).
 *
 * Invariant: every text of a result goes through escaped(); beside every chart there is a table with its figures.
 */
import type { LossResult, ModesResult } from '../results.ts'
import { machineLine, optionsLine, PARTIAL, versionsLine } from './heading.ts'
import { PAGE_STYLE } from './style.ts'
import { type Chart, escaped, svg } from './svg.ts'

export interface Page {
  readonly title: string
  /** What is to be seen in five seconds, as HTML. */
  readonly lead: string
  readonly conditions: readonly string[]
  readonly sections: readonly string[]
  readonly footer: readonly string[]
}

const SCRIPT = `const root=document.documentElement,button=document.querySelector('button'),dark=matchMedia('(prefers-color-scheme:dark)')
const now=()=>root.dataset.scheme??(dark.matches?'dark':'light')
const name=()=>{button.textContent=now()==='dark'?'Light colours':'Dark colours'}
button.hidden=false;button.addEventListener('click',()=>{root.dataset.scheme=now()==='dark'?'light':'dark';name()})
dark.addEventListener('change',name);name()`

export function pageOf(result: ModesResult | LossResult, page: Page): string {
  const { title, lead, conditions, sections, footer } = page
  return htmlDocument({
    title,
    sub: [versionsLine(result.machine), machineLine(result.machine), ...conditions],
    notice: result.isPartial
      ? `<div class="partial" role="alert" style="margin-top:14px">${escaped(PARTIAL)}</div>`
      : '',
    lead,
    sections,
    footer: [...footer, optionsLine(result)],
  })
}

export interface HtmlDocument {
  readonly title: string
  /** Lines beneath the title; empty ones are left out. */
  readonly sub: readonly string[]
  /** HTML of what is between the title and the sections. */
  readonly notice: string
  readonly lead: string
  readonly before?: string
  readonly sections: readonly string[]
  readonly footer: readonly string[]
  /** Behind the house's own. */
  readonly style?: string
  readonly script?: string
}

/** The house's page: title, scheme button, sections, footer. */
export function htmlDocument(page: HtmlDocument): string {
  const { title, sub, notice, lead, before = '', sections, footer, style = '', script = '' } = page
  const lines = sub.filter((line) => line !== '').map((line) => `<div class="sub">${escaped(line)}</div>`)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${escaped(title)} – Basalt</title>
<style>${PAGE_STYLE}${style}</style>
</head>
<body>
<main>
<header><div><h1>${escaped(title)}</h1>${lines.join('')}</div><button type="button" hidden></button></header>
${notice}
${lead === '' ? '' : `<p class="lead">${lead}</p>`}${before}
${sections.join('\n')}
<footer>${footer
    .filter((line) => line !== '')
    .map((line) => `<p>${escaped(line)}</p>`)
    .join('')}</footer>
</main>
<script>${SCRIPT}
${script}</script>
</body>
</html>
`
}

export function section(title: string, about: string, ...content: readonly string[]): string {
  const told = about === '' ? '' : `<p>${escaped(about)}</p>`
  return `<section>\n<h2>${escaped(title)}</h2>\n${told}${content.filter((each) => each !== '').join('\n')}\n</section>`
}

export const figure = (chart: Chart, heading = ''): string =>
  `<figure class="panel">${heading === '' ? '' : `<h3>${escaped(heading)}</h3>`}${svg(chart)}</figure>`

/** One chart drawn for each of two widths; the page shows the one that fits. */
export const responsive = (wide: Chart, narrow: Chart): string =>
  `<figure class="wide">${svg(wide)}</figure><figure class="narrow">${svg(narrow)}</figure>`

export const panels = (charts: readonly string[], kind: 'panels' | 'pair' = 'panels'): string =>
  `<div class="${kind}">${charts.join('\n')}</div>`

export interface LegendItem {
  readonly name: string
  /** The drawing, 26 by 14. */
  readonly mark: string
  readonly hue?: string
}

export function legend(items: readonly LegendItem[]): string {
  const each = items.map(
    ({ name, mark, hue }) =>
      `<li${hue === undefined ? '' : ` class="${hue}"`}><svg width="26" height="14" aria-hidden="true">${mark}</svg><span style="color:var(--ink)">${escaped(name)}</span></li>`,
  )
  return `<ul class="legend">${each.join('')}</ul>`
}

/** `left`: columns of text. */
export function htmlTable(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  left: readonly number[] = [0],
): string {
  const kind = (index: number) => (left.includes(index) ? ' class="l"' : '')
  const head = heads.map((name, index) => `<th scope="col"${kind(index)}>${escaped(name)}</th>`).join('')
  const body = rows.map((row) => {
    const cells = row.map((cell, index) =>
      index === 0 ? `<th scope="row">${escaped(cell)}</th>` : `<td${kind(index)}>${escaped(cell)}</td>`,
    )
    return `<tr>${cells.join('')}</tr>`
  })
  return `<div class="scroll" tabindex="0" role="region" aria-label="table"><table><thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table></div>`
}

export const details = (name: string, table: string): string =>
  `<details><summary>${escaped(name)}</summary>${table}</details>`
