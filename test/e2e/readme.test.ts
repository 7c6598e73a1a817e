// The README's examples, pasted: every GraphQL document and every curl command of the five operations.

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { quotedPages } from '../../bench/quote.ts'
import { createDataFolder } from '../data-folder.ts'
import { startGateway } from './gateway.ts'
import { openStores, type Stores } from './stores.ts'

const readme = await readFile('README.md', 'utf8')
const operations = readme.slice(readme.indexOf('## The five operations'), readme.indexOf('## ETLs'))

function blocks(language: string): string[] {
  return [...operations.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map(
    (block) => block[1] ?? '',
  )
}

const folder = await createDataFolder('readme')
let stores: Stores
let gateway: Awaited<ReturnType<typeof startGateway>>

beforeAll(async () => {
  stores = await openStores()
  gateway = await startGateway(folder.path, { ETL_SOURCES: './examples/etl', ...(await stores.create()) })
})

afterAll(async () => {
  await gateway?.stop()
  await stores?.stop()
  await folder.remove()
})

test('every curl example works in order, and the last ones give features', async () => {
  const script = blocks('sh').filter((block) => block.includes('curl'))
  expect(script.length).toBe(5)
  const commands = script.join('\necho; echo ----\n').replaceAll('http://127.0.0.1:4000', gateway.url)
  const { stdout } = await promisify(execFile)('bash', ['-euc', commands])
  const [publish, , extracted, queried, features] = stdout.split('----\n')
  expect(publish).toMatch(/"job_id":"job_/)
  for (const answer of [extracted, queried, features]) expect(answer).toMatch(/"data":\[\{"user_id":"/)
})

test('every GraphQL example works with the ids put in', async () => {
  let ids: Record<string, string> = {}
  const withIds = (document: string) =>
    document.replaceAll(/job_ID|qry_ID|USER_ID/g, (placeholder) => ids[placeholder] ?? placeholder)
  const documents = blocks('graphql')
  expect(documents.length).toBe(7)
  for (const document of documents) {
    if (document.startsWith('subscription')) {
      let last: unknown
      for await (const event of gateway.follow(withIds(document), {})) last = event
      expect(last).toMatchObject({ publishProgress: { status: 'SUCCEEDED', done: 1000 } })
      continue
    }
    const answer = await gateway.data<Record<string, Record<string, unknown>>>(withIds(document))
    const text = JSON.stringify(answer)
    const found = {
      job_ID: /job_\w+/.exec(text)?.[0],
      qry_ID: /qry_\w+/.exec(text)?.[0],
      USER_ID: /"user_id":"([^"]+)"/.exec(text)?.[1],
    }
    ids = { ...ids, ...Object.fromEntries(Object.entries(found).flatMap(([k, v]) => (v ? [[k, v]] : []))) }
    if ('queryRealtime' in answer || 'extractRealtime' in answer) expect(text).toMatch(/"status":"FRESH"/)
  }
  expect(Object.keys(ids).sort()).toEqual(['USER_ID', 'job_ID', 'qry_ID'])
})

test('its figures, and those of docs/benchmarks.md, are those of bench/results.json', async () => {
  for (const [path, page] of await quotedPages()) expect(await readFile(path, 'utf8'), path).toBe(page)
})
