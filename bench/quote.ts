// The results as the docs quote them: all of them in docs/benchmarks.md, the headlines in the README, written by `npm run bench`.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Comparison } from './comparison.ts'
import { isHeadline } from './headlines.ts'
import { latenessMeasure } from './open-loop/pace.ts'

const root = join(import.meta.dirname, '..')
const resultsFile = join(import.meta.dirname, 'results.json')
const marks = { begin: '<!-- From bench/results.json, by npm run bench -->', end: '<!-- Until here -->' }

const pages: Record<string, (comparisons: readonly Comparison[]) => string> = {
  'README.md': (comparisons) => ratioTable(comparisons.filter(isHeadline)),
  'docs/benchmarks.md': allTables,
}

/** Each page that quotes results, by its path, with those of `bench/results.json` in it. */
export async function quotedPages(): Promise<Map<string, string>> {
  const { comparisons } = JSON.parse(await readFile(resultsFile, 'utf8')) as { comparisons: Comparison[] }
  const quoted = new Map<string, string>()
  for (const [path, tables] of Object.entries(pages)) {
    const page = await readFile(join(root, path), 'utf8')
    const [begin, end] = [page.indexOf(marks.begin), page.indexOf(marks.end)]
    if (begin < 0 || end < begin) throw new Error(`${path} has no ${marks.begin} … ${marks.end}`)
    const [before, after] = [page.slice(0, begin + marks.begin.length), page.slice(end)]
    quoted.set(path, `${before}\n\n${tables(comparisons)}\n\n${after}`)
  }
  return quoted
}

export async function quoteResults(): Promise<void> {
  for (const [path, page] of await quotedPages()) await writeFile(join(root, path), page)
}

function ratioTable(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map(({ work, measure, peer, ratio, spread: [low, high] }) => [
    `${work}: ${measure}`,
    peer,
    ratio.toFixed(2),
    `${low.toFixed(2)}–${high.toFixed(2)}`,
  ])
  return markdown(['work', 'beside', 'ratio', 'spread'], rows)
}

const percentiles = ['p50', 'p99', 'p99.9'] as const

/** Latencies have a table of their own: three to a row, as they are and as ratios. */
function allTables(comparisons: readonly Comparison[]): string {
  const isLatency = ({ area }: Comparison) => area === 'latency'
  const latencies = Map.groupBy(comparisons.filter(isLatency), ({ work }) => work)
  const tables = [ratioTable(comparisons.filter((each) => !isLatency(each)))]
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
