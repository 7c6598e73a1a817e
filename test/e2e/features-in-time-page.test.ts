// The page on features in time, pasted: its first requests as they stand, on real stores, and the answers that it shows.

import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDataFolder } from '../data-folder.ts'
import { startGateway } from './gateway.ts'
import { openStores, type Stores } from './stores.ts'

const page = await readFile('docs/features-in-time.md', 'utf8')
const part = page.split(/^## /m).find((each) => each.startsWith('In four requests')) ?? ''

/** The requests, each with the answer that is shown after it. */
function stepsOf(markdown: string) {
  const steps: { request: string; shown?: object }[] = []
  for (const [, language, block = ''] of markdown.matchAll(/^```(graphql|json)\n(.*?)^```$/gms)) {
    const last = steps.at(-1)
    if (language === 'graphql') steps.push({ request: block })
    else if (last) last.shown = JSON.parse(block) as object
  }
  return steps
}

let stores: Stores
let folder: Awaited<ReturnType<typeof createDataFolder>>
let gateway: Awaited<ReturnType<typeof startGateway>>

beforeAll(async () => {
  stores = await openStores()
  folder = await createDataFolder('page-in-time')
  gateway = await startGateway(folder.path, await stores.create())
}, 180_000)

afterAll(async () => {
  await gateway?.stop()
  await folder?.remove()
  await stores?.stop()
})

test('its four requests give what it shows', async () => {
  const steps = stepsOf(part)
  expect(steps.map(({ shown }) => shown !== undefined)).toEqual([false, false, true, true])
  for (const { request, shown } of steps) {
    const answer = await gateway.data<object>(request)
    if (shown !== undefined) expect(answer).toEqual(shown)
  }
})
