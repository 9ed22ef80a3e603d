// @ts-nocheck: the page's own language, and this program's types know no page.
/**
 * What is wrong with a page, seen by the browser that drew it: nothing drawn, texts cut, texts on each other, texts that are hard to
 * read. `probe` runs in the page, so it is one function that uses nothing from outside.
 */
export function probe() {
  const problems = []
  // A closed <details> has boxes, but nobody sees them.
  const isShown = (element) => element.getClientRects().length > 0 && element.checkVisibility()
  const charts = [...document.querySelectorAll('svg[role=img]')].filter(isShown)

  for (const chart of charts) checkChart(chart)
  const labels = [...document.querySelectorAll('svg[role=img] text')].filter(isShown)
  const words = wordsOf(document.body)
  for (const { name, rect, isInScroll } of words) {
    if (!isInScroll && (rect.left < -0.5 || rect.right > innerWidth + 0.5)) problems.push(`cut: "${name}"`)
  }
  if (document.documentElement.scrollWidth > innerWidth)
    problems.push(`the page is ${document.documentElement.scrollWidth} wide`)
  for (const label of labels) checkContrast(label, label.textContent ?? '', label.getBoundingClientRect(), 'fill')
  for (const { name, rect, element, isInScroll } of words)
    if (!isInScroll || rect.right < innerWidth - 30) checkContrast(element, name, rect, 'color')
  return { charts: charts.length, texts: labels.length + words.length, problems }

  function checkChart(chart) {
    const names = (chart.getAttribute('aria-labelledby') ?? '')
      .split(' ')
      .map((id) => document.getElementById(id)?.textContent)
    const name = names[0] ?? '?'
    if (names.length !== 2 || names.some((each) => each === undefined || each === null || each.length < 5))
      problems.push(`no name: ${name}`)
    const frame = chart.getBoundingClientRect()
    if (frame.width < 250 || frame.height < 60) problems.push(`small, ${frame.width} by ${frame.height}: ${name}`)
    const shapes = [...chart.querySelectorAll('rect,circle,path:not(.guide)')].map((each) =>
      each.getBoundingClientRect(),
    )
    if (shapes.filter((rect) => rect.width > 0.5 && rect.height > 0.5).length === 0)
      problems.push(`nothing drawn: ${name}`)
    const texts = [...chart.querySelectorAll('text')].map((each) => ({
      text: each.textContent ?? '',
      rect: each.getBoundingClientRect(),
    }))
    for (const [index, { text, rect }] of texts.entries()) {
      const isIn =
        rect.left >= frame.left - 1 &&
        rect.right <= frame.right + 1 &&
        rect.top >= frame.top - 1 &&
        rect.bottom <= frame.bottom + 1
      if (!isIn) problems.push(`cut: "${text}" in ${name}`)
      if (/NaN|undefined|Infinity/.test(text)) problems.push(`"${text}" in ${name}`)
      for (const other of texts.slice(index + 1)) {
        const across = Math.min(rect.right, other.rect.right) - Math.max(rect.left, other.rect.left)
        // The box of a text is higher than its letters.
        const down = Math.min(rect.bottom, other.rect.bottom) - Math.max(rect.top, other.rect.top)
        if (across > 1 && down > 4) problems.push(`"${text}" on "${other.text}" in ${name}`)
      }
    }
  }

  /** Lines of text of the page itself, without those of drawings and of tables that are closed. */
  function wordsOf(root) {
    const found = []
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const element = node.parentElement
      if ((node.textContent ?? '').trim() === '' || element.closest('svg,script,style') !== null || !isShown(element))
        continue
      const range = document.createRange()
      range.selectNodeContents(node)
      for (const rect of range.getClientRects()) {
        if (rect.width > 0)
          found.push({
            name: node.textContent.trim().slice(0, 60),
            rect,
            element,
            isInScroll: element.closest('.scroll') !== null,
          })
      }
    }
    return found
  }

  function colourOf(text) {
    const numbers = (text.match(/[\d.]+/g) ?? []).map(Number)
    return [
      numbers[0] ?? 0,
      numbers[1] ?? 0,
      numbers[2] ?? 0,
      numbers.length > 3 ? numbers[3] : text === 'none' || text === '' ? 0 : 1,
    ]
  }

  function luminance([r, g, b]) {
    const part = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4)
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b)
  }

  /** What lies under a point, mixed from the top down. */
  function groundAt(x, y, self) {
    let [r, g, b, rest] = [0, 0, 0, 1]
    for (const element of document.elementsFromPoint(x, y)) {
      if (element === self && self.closest('svg') !== null) continue
      const style = getComputedStyle(element)
      const isShape = element.closest('svg') !== null && element.tagName !== 'svg'
      if (isShape && /^(text|line|path|g|tspan)$/.test(element.tagName)) continue
      const colour = colourOf(isShape ? style.fill : style.backgroundColor)
      const alpha = colour[3] * Number(style.opacity) * (isShape ? Number(style.fillOpacity) : 1) * rest
      r += colour[0] * alpha
      g += colour[1] * alpha
      b += colour[2] * alpha
      rest -= alpha
      if (rest < 0.01) return [r, g, b, 1]
    }
    return undefined
  }

  function checkContrast(element, name, rect, kind) {
    const ink = luminance(colourOf(getComputedStyle(element)[kind]))
    for (const share of [0.1, 0.5, 0.9]) {
      const ground = groundAt(rect.left + rect.width * share, rect.top + rect.height / 2, element)
      if (ground === undefined) {
        problems.push(`out of sight: "${name}"`)
        return
      }
      const paper = luminance(ground)
      const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)
      if (contrast < 4.5) {
        problems.push(`contrast ${contrast.toFixed(2)}: "${name}"`)
        return
      }
    }
  }
}
