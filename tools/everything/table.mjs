// @ts-check
/** The result of "everything at once", to be read. */

/** @param {Awaited<ReturnType<typeof import('./run.mjs').everything>>} result */
export function report({ rows, problems, lateness, counts, sent, outages }) {
  const head = ['kind', 'acknowledged', 'sends failed', 'stored again', 'consumed', 'consumed again']
  const lines = rows.map((row) =>
    [row.kind, row.acknowledged, row.failures, row.copies, row.seen, row.again].map(String),
  )
  const total = lines.reduce((sums, line) => sums.map((sum, i) => sum + Number(line[i + 1])), [0, 0, 0, 0, 0])
  const table = [head, ...lines, ['all', ...total.map(String)]]
  const widths = head.map((_, column) => Math.max(...table.map((line) => line[column].length)))
  const text = table.map((line) =>
    line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('  '),
  )
  const { questions } = sent
  const down = outages.map(({ from, to }) => to - from)
  return [
    '',
    ...text,
    '',
    `kills ${counts.kills} (down ${Math.min(...down)} to ${Math.max(...down)} ms) · consumers that came or went ${counts.rebalances}`,
    `topics made ${counts.topicsMade}, deleted ${counts.topicsDeleted} · changes of queue numbers ${counts.resizes}`,
    `records read from the store ${counts.stored} · one-way sends ${sent.oneways.length} · transactions asked for ${sent.checks.size}`,
    `questions answered ${questions.right}, not ${questions.unanswered} · asked at the end ${questions.lastCount}, failed ${questions.last.length}`,
    `delayed messages late by: p50 ${lateness.p50}, p99 ${lateness.p99}, most ${lateness.max} ms with a broker up (${lateness.maxExcused} ms with the time down), stamped a little early ${lateness.stampedEarly}`,
    `why sends failed: ${[...sent.reasons].map(([why, count]) => `${why} (${count})`).join(' · ') || 'none did'}`,
    '',
    ...(problems.length === 0 ? ['every promise was kept'] : [`BROKEN: ${problems.length}`, ...problems]),
    '',
  ].join('\n')
}
