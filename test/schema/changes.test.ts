// `npm run schema -- --against`: what a gateway's schema, or another file, changes for a client's copy.

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Gateway, openGateway } from '../http/gateway.ts'
import { createFolder } from '../servers/child.ts'

const folder = await createFolder('schema-changes')
let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>

beforeAll(async () => {
  gateway = await openGateway()
  server = await gateway.serve()
})

afterAll(async () => {
  await server?.close()
  await gateway?.close()
  await folder.remove()
})

interface Outcome {
  code: number
  lines: string[]
  stderr: string
}

function run(...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['scripts/print-schema.ts', ...args],
      (_error, stdout, stderr) => {
        resolve({ code: child.exitCode ?? -1, lines: stdout.split('\n').filter(Boolean), stderr })
      },
    )
  })
}

async function write(name: string, text: string): Promise<string> {
  const path = join(folder.path, name)
  await writeFile(path, text)
  return path
}

test('a change of each kind is one line, the worst first; what breaks the copy is exit code 1', async () => {
  const copy = await write(
    'copy.graphql',
    'type Query { kept(a: Int): Int gone: E } enum E { A } type Told { """of\n  two lines""" a: Int }',
  )
  const next = await write(
    'next.graphql',
    'type Query { kept(a: Int, b: Int): Int added: E } enum E { A B } type Told { """of\n  three""" a: Int }',
  )
  const { code, lines, stderr } = await run('--schema', copy, '--against', next)
  expect(stderr).toBe('')
  expect(lines.map((line) => line.split(/\s{2,}/).slice(0, 2))).toEqual([
    ['BREAKING', 'Query.gone'],
    ['DANGEROUS', 'E.B'],
    ['DANGEROUS', 'Query.kept.b'],
    ['SAFE', 'Query.added'],
    ['SAFE', 'Told.a'],
  ])
  expect(code).toBe(1)
  expect(await run('--schema', copy, '--against', copy)).toEqual({ code: 0, lines: [], stderr: '' })
})

test('a gateway is asked for its schema as it is now, with its views', async () => {
  const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
    'mutation { queryTrain(query: "SELECT 1 AS n, 2 AS v", queryName: "numbers") { query { id } } }',
  )
  const { createFeatureView } = await server.data<{ createFeatureView: { id: string } }>(
    'mutation ($id: ID!) { createFeatureView(name: "numbers", queryId: $id, indexKey: "n") { id } }',
    { id: queryTrain.query.id },
  )
  const text = await (await fetch(`${server.url}/schema.graphql`)).text()
  const copy = await write('gateway.graphql', text)
  const since = () => run('--schema', copy, '--against', server.url)
  expect(await since()).toEqual({ code: 0, lines: [], stderr: '' })
  const ofCode = await run('--against', `${server.url}/`)
  expect(ofCode.code).toBe(0)
  expect(ofCode.lines).toContainEqual(expect.stringMatching(/^SAFE\s+Query\.features\s/))
  await server.data('mutation ($id: ID!) { deleteFeatureView(id: $id) }', createFeatureView)
  const { code, lines } = await since()
  expect(code).toBe(1)
  expect(lines).toContainEqual(expect.stringMatching(/^BREAKING\s+Query\.features\s/))
})

test('what cannot be compared is told with exit code 2', async () => {
  const broken = await write('broken.graphql', 'type Query {')
  expect(await run('--against', broken)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(`${broken} is no GraphQL schema`),
  })
  expect(await run('--against', `${server.url}/elsewhere`)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('/elsewhere/schema.graphql answers 404'),
  })
  expect((await run('--schema', broken)).code).toBe(1)
})
