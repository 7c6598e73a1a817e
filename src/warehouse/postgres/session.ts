// One connection to PostgreSQL: statements in, texts out, and what a statement would give without running it.

import type { Duplex, Readable, Writable } from 'node:stream'
import type { ClientBase, Connection, QueryArrayConfig, QueryArrayResult, Submittable } from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import { freeBuffer } from '../../spent-buffer.ts'
import { type Message, type ResultField, resultFields, type TextRow } from './messages.ts'
import { Pipeline, type PipelinedAnswers, type PipelinedStatement } from './pipeline.ts'

export interface QueryLimits {
  /** The connection ends once the server has sent more. */
  bytes: number
  tooLarge: () => Error
}

export interface Session {
  /** Always by the extended protocol, which takes one statement only. */
  query(sql: string, values?: readonly (string | null)[], limits?: QueryLimits): Promise<TextRow[]>
  /** Parses one statement and tells its result, without running it; null when it gives none. */
  describe(sql: string): Promise<readonly ResultField[] | null>
  /** Statements in one round trip; resolves with what they gave up to one that failed. */
  pipeline(statements: readonly PipelinedStatement[], limits: QueryLimits): Promise<PipelinedAnswers>
  /** Simple statements of our own, several in one round trip. */
  script(sql: string): Promise<void>
  /** `rowCount` is told once a later statement has been answered. */
  copyTo(sql: string): Readable & { rowCount: number }
  copyFrom(sql: string): Writable
  /** Whether it stands outside of a transaction. */
  isIdle(): boolean
  /** The server process. */
  processId: number
  /** Ends the connection without a word to the server, which may have stopped listening. */
  destroy(): void
}

/** As much waits for its reader, so that the two need not take turns with every piece. */
const waitingBytes = 1024 * 1024

const asText = { getTypeParser: () => (text: string | Buffer) => text }

export function createSession(client: ClientBase): Session {
  return {
    async query(text, values = [], limits) {
      const query: QueryArrayConfig & { queryMode: string } = {
        text,
        values: [...values],
        rowMode: 'array',
        types: asText,
        // Not in pg's types: without it a statement without values goes by the simple protocol.
        queryMode: 'extended',
      }
      const run = async () => {
        const { rows }: QueryArrayResult<(string | null)[]> = await client.query(query)
        return rows
      }
      return limits === undefined ? run() : withinBytes(streamOf(client), limits, run)
    },
    describe(sql) {
      const description = new Description(sql)
      client.query(description)
      return description.result
    },
    pipeline(statements, limits) {
      const pipeline = new Pipeline(statements)
      return withinBytes(streamOf(client), limits, () => {
        client.query(pipeline)
        return pipeline.result
      })
    },
    async script(sql) {
      await client.query(sql)
    },
    copyTo(sql) {
      const stream = client.query(copyTo(sql, { highWaterMark: waitingBytes }))
      // Who reads hears of a failure; one that comes after its reader has left would end the process.
      stream.on('error', () => undefined)
      return stream
    },
    copyFrom: (sql) => withFreedPieces(client.query(copyFrom(sql)), streamOf(client)),
    isIdle: () => client.getTransactionStatus() === 'I',
    get processId() {
      return Number((client as unknown as { processID: number }).processID)
    },
    destroy() {
      streamOf(client).destroy()
    },
  }
}

function streamOf(client: ClientBase): Duplex {
  return (client as unknown as { connection: { stream: Duplex } }).connection.stream
}

/** What has been sent is given back: pieces of gigabytes would else stay until the engine looks for them. */
function withFreedPieces<Copy extends Writable>(copy: Copy, socket: Duplex): Copy {
  const write = copy.write.bind(copy) as (piece: unknown, ...rest: unknown[]) => boolean
  let sent: Buffer[] = []
  const writeFreeing = (piece: unknown, ...rest: unknown[]) => {
    if (copy.writableLength === 0 && socket.writableLength === 0) {
      for (const each of sent) freeBuffer(each)
      sent = []
    }
    if (Buffer.isBuffer(piece)) sent.push(piece)
    return write(piece, ...rest)
  }
  copy.write = writeFreeing as Copy['write']
  return copy
}

async function withinBytes<T>(
  stream: Duplex,
  { bytes, tooLarge }: QueryLimits,
  work: () => Promise<T>,
): Promise<T> {
  let received = 0
  const count = (chunk: Uint8Array) => {
    received += chunk.length
    if (received > bytes) stream.destroy()
  }
  stream.on('data', count)
  try {
    return await work()
  } catch (error) {
    throw received > bytes ? tooLarge() : error
  } finally {
    stream.off('data', count)
  }
}

/** Parse and Describe, without Execute. */
class Description implements Submittable {
  readonly result: Promise<readonly ResultField[] | null>
  readonly #sql: string
  #fields: readonly ResultField[] | null = null
  #resolve: (fields: readonly ResultField[] | null) => void
  #reject: (error: unknown) => void

  constructor(sql: string) {
    const { promise, resolve, reject } = Promise.withResolvers<readonly ResultField[] | null>()
    this.result = promise
    this.#resolve = resolve
    this.#reject = reject
    this.#sql = sql
  }

  submit(connection: Connection): void {
    const protocol = connection as unknown as {
      parse(message: object): void
      describe(message: object): void
      sync(): void
    }
    protocol.parse({ text: this.#sql, name: '', types: [] })
    protocol.describe({ type: 'S', name: '' })
    protocol.sync()
  }

  handleRowDescription(message: Message): void {
    this.#fields = resultFields(message)
  }

  handleError(error: unknown): void {
    this.#reject(error)
  }

  handleReadyForQuery(): void {
    this.#resolve(this.#fields)
  }
}
