// A collector that takes traces by OTLP over HTTP: a real server that reads the protobuf messages as they are on the wire.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'

export interface ReceivedSpan {
  traceId: string
  spanId: string
  parentSpanId: string
  name: string
  /** 2 is a server's, 3 a client's. */
  kind: number
  attributes: Record<string, string | number | boolean>
  links: { traceId: string; spanId: string }[]
  resource: Record<string, string | number | boolean>
}

export async function startOtlpReceiver() {
  const spans: ReceivedSpan[] = []
  const headers: Record<string, unknown>[] = []
  const waiting = new Set<() => void>()
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    headers.push({ url: request.url, ...request.headers })
    spans.push(...readSpans(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body))
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
    for (const look of waiting) look()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    headers,
    /** Resolves once as many such spans have come; they are told in the order in which they did. */
    async received(isWanted: (span: ReceivedSpan) => boolean, count = 1): Promise<ReceivedSpan[]> {
      for (;;) {
        const found = spans.filter(isWanted)
        if (found.length >= count) return found
        await new Promise<void>((resolve) => {
          const look = () => {
            waiting.delete(look)
            resolve()
          }
          waiting.add(look)
        })
      }
    },
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A message's fields by number: a length-delimited one as bytes, any other as its number. */
type Fields = Map<number, (Buffer | bigint)[]>

function readFields(message: Buffer): Fields {
  const fields: Fields = new Map()
  let at = 0
  function varint(): bigint {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++]
      if (byte === undefined) throw new Error('A protobuf message ends within a number')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  function take(length: number): Buffer {
    if (at + length > message.length) throw new Error('A protobuf message ends within a field')
    at += length
    return message.subarray(at - length, at)
  }
  while (at < message.length) {
    const tag = Number(varint())
    const read: Record<number, () => Buffer | bigint> = {
      0: varint,
      1: () => take(8).readBigUInt64LE(),
      2: () => take(Number(varint())),
      5: () => BigInt(take(4).readUInt32LE()),
    }
    const value = read[tag & 7]?.()
    if (value === undefined) throw new Error(`A protobuf field has the unknown wire type ${tag & 7}`)
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), value])
  }
  return fields
}

const messages = (fields: Fields, number: number) =>
  (fields.get(number) ?? []).flatMap((value) => (typeof value === 'bigint' ? [] : [readFields(value)]))

function bytes(fields: Fields, number: number): Buffer {
  const value = fields.get(number)?.[0]
  return typeof value === 'bigint' || value === undefined ? Buffer.alloc(0) : value
}

/** opentelemetry/proto/trace/v1: TracesData, ResourceSpans, ScopeSpans, Span. */
function readSpans(body: Buffer): ReceivedSpan[] {
  return messages(readFields(body), 1).flatMap((resourceSpans) => {
    const [resource] = messages(resourceSpans, 1)
    return messages(resourceSpans, 2).flatMap((scopeSpans) =>
      messages(scopeSpans, 2).map((span) => ({
        traceId: bytes(span, 1).toString('hex'),
        spanId: bytes(span, 2).toString('hex'),
        parentSpanId: bytes(span, 4).toString('hex'),
        name: bytes(span, 5).toString(),
        kind: Number(span.get(6)?.[0] ?? 0n),
        attributes: readAttributes(messages(span, 9)),
        links: messages(span, 13).map((link) => ({
          traceId: bytes(link, 1).toString('hex'),
          spanId: bytes(link, 2).toString('hex'),
        })),
        resource: resource === undefined ? {} : readAttributes(messages(resource, 1)),
      })),
    )
  })
}

function readAttributes(pairs: readonly Fields[]): ReceivedSpan['attributes'] {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [value] = messages(pair, 2)
      return [bytes(pair, 1).toString(), value === undefined ? '' : readValue(value)]
    }),
  )
}

function readValue(value: Fields): string | number | boolean {
  const [bool] = value.get(2) ?? []
  const [integer] = value.get(3) ?? []
  const [double] = value.get(4) ?? []
  if (typeof bool === 'bigint') return bool === 1n
  if (typeof integer === 'bigint') return Number(integer)
  if (typeof double !== 'bigint') return bytes(value, 1).toString()
  const buffer = Buffer.alloc(8)
  buffer.writeBigUInt64LE(double)
  return buffer.readDoubleLE()
}
