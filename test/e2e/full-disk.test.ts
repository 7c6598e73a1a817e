// A disk that is full under a whole gateway on its embedded stores: a limit on its processes' files, which the system
// tells a program of as it does of a full disk.

import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { publishAndFollow, train } from '../../examples/client/features.ts'
import { createDataFolder } from '../data-folder.ts'
import { spawnGateway } from './gateway.ts'
import { rowsByKey } from './rows.ts'

const run = promisify(execFile)
const features = 'SELECT user_id, quote_id, is_binded, creation_date FROM feature_store.quotes'
const counts = `SELECT count(*) AS quotes, count(DISTINCT quote_id) AS distinct_quotes FROM feature_store.quotes`
const [before, during, after] = [300, 6000, 100]

type Gateway = Awaited<ReturnType<typeof spawnGateway>>

/** The process and all that it has started. */
async function family(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => [])
  const lists = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  )
  const children = lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number))
  return [pid, ...(await Promise.all(children.map(family))).flat()]
}

/** No file may be written beyond so many bytes. */
async function limitFiles({ pid }: Gateway, bytes: number) {
  if (pid === undefined) throw new Error('The gateway has no process')
  for (const member of await family(pid))
    await run('prlimit', ['--pid', String(member), `--fsize=${bytes}:unlimited`])
}

async function publish(gateway: Gateway, nFlows: number) {
  const answer = await gateway.data<{ publish: { id: string } }>(
    'mutation ($nFlows: Int!) { publish(nFlows: $nFlows, seed: 2) { id } }',
    { nFlows },
  )
  return answer.publish.id
}

async function jobOf(gateway: Gateway, id: string) {
  const { data } = await gateway.graphql('query ($id: ID!) { publishJob(id: $id) { status done error } }', {
    id,
  })
  return data?.publishJob as { status: string; done: number; error: string | null } | undefined
}

async function countQuotes(gateway: Gateway) {
  return (await train(gateway.typed, counts, 'counts')).dataset.rows
}

async function sources(gateway: Gateway, queryId: string, users: readonly string[]) {
  const results = await gateway.lookUp(queryId, 'user_id', users)
  return [...new Set(results.map(({ source, status }) => `${status} ${source}`))]
}

test('a disk that is full ends a gateway on the embedded catalog with a word; once there is room, the next goes on where it was', {
  timeout: 300_000,
}, async () => {
  const folder = await createDataFolder('full-disk')
  onTestFinished(folder.remove)
  let gateway = await spawnGateway(folder.path)
  onTestFinished(async () => void (await gateway.kill()))
  await publishAndFollow(gateway.typed, { nFlows: before, seed: 1 }, () => {})
  const { query, dataset } = await train(gateway.typed, features, 'features')
  const queryId = query?.id ?? ''
  const ndjson = dataset.downloads.parquet.replace('.parquet', '.ndjson')
  const users = [...(await rowsByKey(ndjson, 'user_id')).keys()].slice(0, 50)
  await expect.poll(() => sources(gateway, queryId, users), { timeout: 30_000 }).toEqual(['FRESH ONLINE'])

  const id = await publish(gateway, during)
  await expect.poll(async () => (await jobOf(gateway, id))?.done, { interval: 20 }).toBeGreaterThan(0)
  await limitFiles(gateway, 0)
  expect(await gateway.ended).toBe(1)
  expect(gateway.output.join('\n')).toMatch(/disk that holds the catalog is full.*Make room under DATA_DIR/)

  const crowded = spawnGateway(folder.path, {}, ['prlimit', '--fsize=8000000:unlimited'])
  await expect(crowded).rejects.toThrow(/disk that holds the catalog \(.*\) is full: make at least 16 MB/)

  gateway = await spawnGateway(folder.path)
  await expect
    .poll(() => jobOf(gateway, id), { timeout: 60_000 })
    .toMatchObject({ status: 'SUCCEEDED', error: null, done: during })
  const last = await publish(gateway, after)
  await expect.poll(() => jobOf(gateway, last), { timeout: 20_000 }).toMatchObject({ status: 'SUCCEEDED' })
  const flows = before + during + after
  expect(await countQuotes(gateway)).toMatchObject([{ quotes: flows, distinct_quotes: flows }])
  await expectParity(gateway, queryId)
  expect(await gateway.stop()).toBe(0)
})

async function expectParity(gateway: Gateway, queryId: string) {
  const { featureViews } = await gateway.data<{ featureViews: { edges: { node: { id: string } }[] } }>(
    '{ featureViews(first: 10) { edges { node { id } } } }',
  )
  expect(featureViews.edges).toHaveLength(1)
  for (const { node } of featureViews.edges) {
    const { parity } = await gateway.data<{ parity: object }>(
      'query ($id: ID!) { parity(featureViewId: $id, sample: 5000) { mismatched missing extra } }',
      { id: node.id },
    )
    expect(parity, queryId).toEqual({ mismatched: 0, missing: 0, extra: 0 })
  }
}
