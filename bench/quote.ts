// The results as the README quotes them: a row each, between two marks, written by `npm run bench`.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Comparison } from './comparison.ts'
import { latenessMeasure } from './open-loop/pace.ts'

const readmeFile = join(import.meta.dirname, '../README.md')
const resultsFile = join(import.meta.dirname, 'results.json')
const marks = { begin: '<!-- From bench/results.json, by npm run bench -->', end: '<!-- Until here -->' }

/** The README with the results of `bench/results.json` in it. */
export async function quotedReadme(): Promise<string> {
  const [readme, results] = await Promise.all([readFile(readmeFile, 'utf8'), readFile(resultsFile, 'utf8')])
  const { comparisons } = JSON.parse(results) as { comparisons: readonly Comparison[] }
  const [begin, end] = [readme.indexOf(marks.begin), readme.indexOf(marks.end)]
  if (begin < 0 || end < begin) throw new Error(`The README has no ${marks.begin} … ${marks.end}`)
  return `${readme.slice(0, begin + marks.begin.length)}\n\n${tableOf(comparisons)}\n\n${readme.slice(end)}`
}

export async function quoteResults(): Promise<void> {
  await writeFile(readmeFile, await quotedReadme())
}

const percentiles = ['p50', 'p99', 'p99.9'] as const

/** Latencies have a table of their own: three to a row, as they are and as ratios. */
function tableOf(comparisons: readonly Comparison[]): string {
  const isLatency = ({ area }: Comparison) => area === 'latency'
  const ratios = comparisons
    .filter((each) => !isLatency(each))
    .map(({ work, measure, peer, ratio, spread: [low, high] }) => [
      `${work}: ${measure}`,
      peer,
      ratio.toFixed(2),
      `${low.toFixed(2)}–${high.toFixed(2)}`,
    ])
  const latencies = Map.groupBy(comparisons.filter(isLatency), ({ work }) => work)
  const tables = [markdown(['work', 'beside', 'ratio', 'spread'], ratios)]
  if (latencies.size > 0) {
    const head = ['lookup', 'beside', ...percentiles, 'the load generator’s own lateness, p99']
    tables.push(
      markdown(
        head,
        [...latencies].map(([work, rows]) => latencyCells(work, rows)),
      ),
    )
  }
  return tables.join('\n\n')
}

function latencyCells(work: string, rows: readonly Comparison[]): string[] {
  const told = percentiles.map((percentile) => {
    const row = rows.find(({ measure }) => measure === percentile)
    return row === undefined ? '' : `${row.gateway} / ${row.peerValue}`
  })
  const lateness = rows.find(({ measure }) => measure === latenessMeasure)
  return [
    work,
    rows[0]?.peer ?? '',
    ...told,
    lateness === undefined ? '' : `${lateness.gateway} / ${lateness.peerValue}`,
  ]
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
