// What vectors cost without a gateway: node:http and one MGET, whose texts are answered as they are. Prints its URL once it listens.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Redis } from 'ioredis'

const redis = new Redis(process.env.REDIS_URL ?? '')
const views = ['a', 'b', 'c']

interface Asked {
  entities: readonly { user_id: string }[]
}

async function answer({ entities }: Asked): Promise<string> {
  const keys = entities.flatMap((entity) => views.map((view) => `bare:${view}:${entity.user_id}`))
  const rows = await redis.mget(keys)
  const vectors = entities.map((entity, i) => {
    const parts = views.map((_, v) => rows[i * views.length + v])
    return `{"entity":${JSON.stringify(entity)},"features":[${parts.join()}]}`
  })
  return `{"results":[${vectors.join()}]}`
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', async () => {
    const text = await answer(JSON.parse(Buffer.concat(chunks).toString()) as Asked)
    response.writeHead(200, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(text),
    })
    response.end(text)
  })
})
server.listen(0, '127.0.0.1', () => {
  console.log(`Listening: http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
