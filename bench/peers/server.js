// One peer of the benchmark: `node server.js bare | yoga | mercurius | apollo`, over the Redis of REDIS_URL; prints its URL once it listens.
// All answer the same requests with the same bytes' worth of data; each is set up as its documentation says.

import { createServer } from 'node:http'
import { ApolloServer } from '@apollo/server'
import { startStandaloneServer } from '@apollo/server/standalone'
import DataLoader from 'dataloader'
import Fastify from 'fastify'
import { createSchema, createYoga } from 'graphql-yoga'
import { Redis } from 'ioredis'
import mercurius from 'mercurius'
import * as typed from './typed.js'

const redis = new Redis(process.env.REDIS_URL)
const keyOf = (value) => `peer:${value}`

const typeDefs = /* GraphQL */ `
  scalar JSON
  type RealtimeResult { status: String! rows: JSON! }
  type Query {
    queryRealtime(queryId: ID!, indexKey: String!, indexValue: String!): RealtimeResult!
    queryRealtimeMany(queryId: ID!, indexKey: String!, indexValues: [String!]!): [RealtimeResult!]!
  }
  ${typed.typeDefs}
`

const resolvers = {
  ...typed.resolvers,
  Query: {
    ...typed.resolvers.Query,
    queryRealtime: (_root, { indexValue }, { loader }) => loader.load(indexValue),
    queryRealtimeMany: (_root, { indexValues }, { loader }) => loader.loadMany(indexValues),
  },
}

const createContext = () => ({
  loader: new DataLoader(async (values) => {
    const found = await redis.mget(...values.map(keyOf))
    return found.map((rows) => ({ status: 'FRESH', rows: JSON.parse(rows) }))
  }),
})

/** What the stores and the protocol cost, and nothing else. */
async function bare() {
  const server = createServer((request, response) => {
    const chunks = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', async () => {
      const text = await answer(request.url, JSON.parse(Buffer.concat(chunks).toString()))
      response.writeHead(200, {
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(text),
      })
      response.end(text)
    })
  })
  return listening(server)
}

async function answer(url, { variables, index_value }) {
  if (url === '/query/realtime') {
    return `{"data":${await redis.get(keyOf(index_value))},"status":"FRESH","source":"ONLINE","as_of":null}`
  }
  if (typed.isTyped(variables)) return typed.answerTyped(variables, (ids) => redis.mget(ids.map(keyOf)))
  if (variables.indexValues === undefined) {
    return `{"data":{"queryRealtime":{"status":"FRESH","rows":${await redis.get(keyOf(variables.indexValue))}}}}`
  }
  const rows = await redis.mget(variables.indexValues.map(keyOf))
  const results = rows.map((text) => `{"status":"FRESH","rows":${text}}`)
  return `{"data":{"queryRealtimeMany":[${results.join()}]}}`
}

async function yoga() {
  return listening(
    createServer(
      createYoga({ schema: createSchema({ typeDefs, resolvers }), context: createContext, logging: false }),
    ),
  )
}

async function apollo() {
  const server = new ApolloServer({ typeDefs, resolvers })
  const { url } = await startStandaloneServer(server, {
    context: async () => createContext(),
    listen: { port: 0, host: '127.0.0.1' },
  })
  return `${url.replace(/\/$/, '')}`
}

async function withMercurius() {
  const app = Fastify()
  app.register(mercurius, { schema: typeDefs, resolvers, context: createContext, jit: 1 })
  return app.listen({ port: 0, host: '127.0.0.1' })
}

async function listening(server) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${server.address().port}`
}

const peers = { bare, yoga, mercurius: withMercurius, apollo }
const name = process.argv[2] ?? ''
if (!Object.hasOwn(peers, name))
  throw new Error(`There is no peer "${name}"; there are ${Object.keys(peers).join(', ')}`)
console.log(`Listening: ${await peers[name]()}`)
