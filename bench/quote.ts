// The results as the README quotes them: a row each, between two marks, written by `npm run bench`.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Comparison } from './comparison.ts'

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

function tableOf(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map(({ work, measure, peer, ratio, spread: [low, high] }) => [
    `${work}: ${measure}`,
    peer,
    ratio.toFixed(2),
    `${low.toFixed(2)}–${high.toFixed(2)}`,
  ])
  const head = ['work', 'beside', 'ratio', 'spread']
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
