// `node bench/chart.ts`: draws bench/results.json as docs/bench.svg, a bar for each ratio with its spread; `npm run bench` does so too.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Comparison } from './comparison.ts'
import { latenessMeasure } from './open-loop/pace.ts'

const root = join(import.meta.dirname, '..')
const width = 960
const rowHeight = 26
const left = 680
const right = 70
/** Ratios are drawn by their logarithm, from a tenth to a hundredfold at most. */
const bounds = { least: 0.1, most: 100 }

export async function drawResults() {
  const text = await readFile(join(root, 'bench', 'results.json'), 'utf8')
  const { machine, comparisons } = JSON.parse(text) as { machine: string; comparisons: Comparison[] }
  // The load generator’s is no work of either side.
  const drawn = comparisons.filter(({ measure }) => measure !== latenessMeasure)
  await writeFile(join(root, 'docs', 'bench.svg'), draw(machine, drawn))
}

function draw(machine: string, comparisons: readonly Comparison[]): string {
  const ratios = comparisons.flatMap(({ spread }) => spread).map(bounded)
  const [least, most] = [Math.min(0.5, ...ratios), Math.max(2, ...ratios)]
  const place = (ratio: number) =>
    left + (Math.log(bounded(ratio) / least) / Math.log(most / least)) * (width - left - right)
  const height = rowHeight * (comparisons.length + 3)
  const ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].filter((tick) => tick >= least && tick <= most)
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<title>The gateway beside its peers: ratios of npm run bench</title>
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="10" y="18" font-size="13" font-weight="bold">The gateway beside its peer: median ratio and spread, logarithmic</text>
${ticks.map((tick) => drawTick(place(tick), tick, height)).join('\n')}
${comparisons.map((comparison, i) => drawRow(comparison, rowHeight * (i + 2), place)).join('\n')}
<text x="10" y="${height - 8}" fill="#666">${escaped(machine)}. Green: as good as the peer or better.</text>
</svg>
`
}

function drawTick(x: number, tick: number, height: number): string {
  const color = tick === 1 ? '#333' : '#ddd'
  return `<line x1="${round(x)}" x2="${round(x)}" y1="40" y2="${height - rowHeight}" stroke="${color}"/><text x="${round(x)}" y="36" text-anchor="middle" fill="#666">${tick}</text>`
}

function drawRow(
  { work, peer, measure, ratio, spread }: Comparison,
  top: number,
  place: (ratio: number) => number,
): string {
  const [from, to] = [place(1), place(ratio)]
  const middle = top + rowHeight / 2
  const x = round(Math.min(from, to))
  const length = round(Math.abs(to - from))
  const color = isWin(measure, ratio) ? '#2a9d5c' : '#d98a2b'
  return `<text x="${left - 10}" y="${middle + 4}" text-anchor="end">${escaped(shortened(`${work}, ${measure} / ${peer}`))}</text>
<rect x="${x}" y="${top + 6}" width="${length}" height="${rowHeight - 12}" fill="${color}"/>
<line x1="${round(place(spread[0]))}" x2="${round(place(spread[1]))}" y1="${middle}" y2="${middle}" stroke="#222"/>
<text x="${width - right + 10}" y="${middle + 4}">${ratio.toFixed(2)}</text>`
}

/** A time's or a memory's ratio is the better the smaller it is. */
function isWin(measure: string, ratio: number): boolean {
  return /a second/.test(measure) ? ratio >= 1 : ratio <= 1
}

function bounded(ratio: number): number {
  return Math.min(Math.max(ratio, bounds.least), bounds.most)
}

function shortened(text: string): string {
  return text.length > 92 ? `${text.slice(0, 91)}…` : text
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

function round(value: number): string {
  return value.toFixed(1)
}

if (import.meta.main) await drawResults()
