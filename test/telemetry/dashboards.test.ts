// The dashboard, the alerts and the documentation speak of metrics that the gateway has, with the labels that it gives them.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openGateway } from '../http/gateway.ts'
import { parseExposition } from './exposition.ts'

const root = join(import.meta.dirname, '..', '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

interface Panel {
  id: number
  type: string
  title: string
  gridPos: { x: number; y: number; w: number; h: number }
  targets?: { refId: string; expr: string }[]
}

const dashboard = JSON.parse(read('ops/grafana/feature-gateway.json')) as {
  uid: string
  title: string
  schemaVersion: number
  panels: Panel[]
  templating: { list: { name: string }[] }
}
const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))

let gateway: Awaited<ReturnType<typeof openGateway>>
/** Each metric's name, and its label names as far as there are samples. */
let exported: Map<string, Set<string>>
let declared: Set<string>

beforeAll(async () => {
  gateway = await openGateway()
  gateway.services.metrics.watchProcess()
  const server = await gateway.serve()
  await server.rest('PUT', '/publish?n_flows=5')
  const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
    'mutation { queryTrain(query: "SELECT * FROM feature_store.users", queryName: "u") { query { id } } }',
  )
  await server.data(
    `{ queryRealtime(queryId: "${queryTrain.query.id}", indexKey: "user_id", indexValue: "x") { rows } }`,
  )
  global.gc?.()
  const { types, samples } = parseExposition(await (await fetch(`${server.url}/metrics`)).text())
  await server.close()
  declared = new Set(
    [...types].flatMap(([name, type]) => (type === 'histogram' ? histogramNames(name) : [name])),
  )
  exported = new Map()
  for (const { name, labels } of samples) {
    exported.set(name, new Set([...(exported.get(name) ?? []), ...Object.keys(labels)]))
  }
})

afterAll(() => gateway?.close())

const histogramNames = (name: string) => [`${name}_bucket`, `${name}_sum`, `${name}_count`]

/** Prometheus adds these, and the process that collects for several workers that. */
const added = new Set(['job', 'instance', 'worker'])

function metricsIn(expression: string): { name: string; labels: string[] }[] {
  return [...expression.matchAll(/\b((?:gateway|process|nodejs)_\w+)(?:\{([^}]*)\})?/g)].map(
    ([, name = '', matchers = '']) => ({
      name,
      labels: [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
    }),
  )
}

/** What an expression asks for and is not there. */
function unknownIn(expression: string): string[] {
  return metricsIn(expression).flatMap(({ name, labels }) => {
    // Only the processes behind a port of several tell it.
    if (name === 'gateway_worker_up') return []
    if (!declared.has(name)) return [name]
    const known = exported.get(name)
    return known === undefined ? [] : labels.filter((label) => !known.has(label) && !added.has(label))
  })
}

test('every metric that the dashboard asks for is exported, with the labels that it selects by', () => {
  expect(expressions.length).toBeGreaterThan(30)
  expect(expressions.filter((expression) => metricsIn(expression).length === 0)).toEqual([])
  expect(expressions.flatMap(unknownIn)).toEqual([])
})

test('every metric that an alert asks for is exported', () => {
  const alerts = read('ops/prometheus/alerts.yml')
  const names = metricsIn(alerts).map(({ name }) => name)
  expect(names.length).toBeGreaterThan(8)
  expect(unknownIn(alerts.replaceAll('{{', '').replaceAll('}}', ''))).toEqual([])
})

test('a metric that is not there is found to be missing', () => {
  expect(unknownIn('sum(rate(gateway_nothing_total{job="x"}[5m]))')).toEqual(['gateway_nothing_total'])
  expect(unknownIn('gateway_lookups_total{nope="x"}')).toEqual(['nope'])
})

test('every metric of the gateway stands in the documentation and on the dashboard', () => {
  const ours = [...declared].filter((name) => name.startsWith('gateway_'))
  const documentation = read('docs/operations.md')
  const base = (name: string) => name.replace(/_(bucket|sum|count)$/, '')
  const undocumented = [...new Set(ours.map(base))].filter((name) => !documentation.includes(`\`${name}\``))
  expect(undocumented).toEqual([])
  const shown = new Set(
    expressions.flatMap((expression) => metricsIn(expression).map(({ name }) => base(name))),
  )
  const unshown = [...new Set(ours.map(base))].filter((name) => !shown.has(name))
  expect(unshown).toEqual(['gateway_online_values'])
})

test('the documentation names no metric that is not there', () => {
  const named = [...read('docs/operations.md').matchAll(/`(gateway_\w+)`/g)].map(([, name = '']) => name)
  const known = new Set([...declared].map((name) => name.replace(/_(bucket|sum|count)$/, '')))
  expect(named.filter((name) => !known.has(name) && name !== 'gateway_worker_up')).toEqual([])
})

test('the dashboard is as Grafana takes it: ids are unique, panels do not overlap, variables are declared', () => {
  const ids = dashboard.panels.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  expect(dashboard).toMatchObject({ uid: 'feature-gateway', title: 'Feature gateway' })
  const variables = new Set(dashboard.templating.list.map(({ name }) => name))
  const used = [...read('ops/grafana/feature-gateway.json').matchAll(/\$\{?([a-z]\w*)\}?/g)]
  expect(used.map(([, name = '']) => name).filter((name) => !variables.has(name))).toEqual([])
  const taken = new Set<string>()
  for (const { gridPos } of dashboard.panels) {
    expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect(taken.has(`${x} ${y}`)).toBe(false)
        taken.add(`${x} ${y}`)
      }
    }
  }
})
