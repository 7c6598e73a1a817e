// Thousands of lookups ahead of their answers, under different credentials on one connection: each answer belongs to its question.

import { connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTokenIssuer, type TokenIssuer } from '../servers/token-issuer.ts'
import { tries } from '../thorough.ts'
import { createClient } from './client.ts'
import { type Gateway, openGateway } from './gateway.ts'

/** `.ci/run` and whoever looks for a fault ask for more. */
const pipelined = tries({ all: 10_000, part: 2000 })
const entities = 5_000

let issuer: TokenIssuer
let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>
let queryId: string
/** What a request carries, and the status that it is answered with. */
let callers: { headers: string; status: number }[]

beforeAll(async () => {
  issuer = await startTokenIssuer()
  gateway = await openGateway(issuer.settings)
  server = await gateway.serve()
  const tokenOf = (sub: string, scope: string) => issuer.sign({ sub, scope })
  const admin = createClient(server.url, { authorization: `Bearer ${await tokenOf('admin', 'admin')}` })
  const { queryTrain } = await admin.data<{ queryTrain: { query: { id: string } } }>(
    `mutation { queryTrain(query: "SELECT i AS n, i * 7 AS seven FROM range(${entities}) r(i)", queryName: "n") { query { id } } }`,
  )
  queryId = queryTrain.query.id
  await admin.rest('POST', '/query/realtime', lookupBody(0))
  const bearer = (token: string) => `Authorization: Bearer ${token}\r\n`
  const { token: key } = await gateway.services.access.keyDesk.create({
    name: 'k',
    scopes: ['realtime'],
    expiresAt: null,
  })
  callers = [
    { headers: bearer(await tokenOf('ada', 'realtime')), status: 200 },
    { headers: bearer(await tokenOf('bob', 'realtime train')), status: 200 },
    { headers: `X-API-Key: ${key}\r\n`, status: 200 },
    { headers: bearer(await tokenOf('eve', 'train')), status: 403 },
    { headers: bearer('nonsense'), status: 401 },
    { headers: '', status: 401 },
  ]
})

afterAll(async () => {
  await server.close()
  await gateway.close()
  await issuer.stop()
})

const lookupBody = (n: number) =>
  JSON.stringify({ query_id: queryId, index_key: 'n', index_value: String(n) })

interface Question {
  n: number
  caller: number
  asGraphQL: boolean
}

function write({ n, caller, asGraphQL }: Question): string {
  const query = `query ($v: String!) { queryRealtime(queryId: "${queryId}", indexKey: "n", indexValue: $v) { rows } }`
  const body = asGraphQL ? JSON.stringify({ query, variables: { v: String(n) } }) : lookupBody(n)
  const path = asGraphQL ? '/graphql' : '/query/realtime'
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${callers[caller]?.headers}Content-Length: ${body.length}\r\n\r\n${body}`
}

/** Of a GraphQL lookup that a caller may not make, HTTP's status is 200. */
function expected({ n, caller, asGraphQL }: Question): string {
  const status = callers[caller]?.status ?? 0
  if (status === 200) return `200 ${n} ${n * 7}`
  return `${status === 403 && asGraphQL ? 200 : status} ${status === 403 ? 'FORBIDDEN' : 'UNAUTHENTICATED'}`
}

function* answersIn(received: string) {
  for (let at = 0; at < received.length; ) {
    const headEnd = received.indexOf('\r\n\r\n', at) + 4
    const head = received.slice(at, headEnd)
    const end = headEnd + Number(/content-length: (\d+)/i.exec(head)?.[1])
    const body = received.slice(headEnd, end)
    const [, n, seven] = /"n":(\d+),"seven":(\d+)/.exec(body) ?? []
    const code = /"code":"(\w+)"/.exec(body)?.[1]
    yield `${head.slice(9, 12)} ${code ?? `${n} ${seven}`}`
    at = end
  }
}

/** Everything at once, in pieces that are cut anywhere. */
async function converse(questions: readonly Question[], pieceBytes: number): Promise<string[]> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1').setNoDelay(true)
  const pieces: string[] = []
  socket.setEncoding('latin1').on('data', (piece) => pieces.push(String(piece)))
  const closed = new Promise((resolve) => socket.once('close', resolve))
  const text = `${questions.map(write).join('')}GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`
  for (let at = 0; at < text.length; at += pieceBytes) {
    if (!socket.write(text.slice(at, at + pieceBytes)))
      await new Promise((resolve) => socket.once('drain', resolve))
    else await new Promise((resolve) => setImmediate(resolve))
  }
  await closed
  return [...answersIn(pieces.join(''))].slice(0, -1)
}

test('every answer belongs to its question', async () => {
  const question = fc.record({
    n: fc.nat(entities - 1),
    caller: fc.oneof({ weight: 6, arbitrary: fc.nat(2) }, fc.integer({ min: 3, max: 5 })),
    asGraphQL: fc.boolean(),
  })
  const connections = 4
  const length = Math.ceil(pipelined / connections)
  const many = fc.array(question, { minLength: length, maxLength: length })
  const piece = fc.integer({ min: 700, max: 90_000 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(many, piece), { minLength: connections, maxLength: connections }),
      async (all) => {
        const answers = await Promise.all(all.map(([questions, bytes]) => converse(questions, bytes)))
        for (const [i, [questions]] of all.entries()) expect(answers[i]).toEqual(questions.map(expected))
      },
    ),
    { numRuns: 1 },
  )
}, 300_000)
