// Statements over Trino's protocol, by the official client: page after page, stoppable in the engine at any moment.

import { readFileSync } from 'node:fs'
import { BasicAuth, type QueryIterator, type QueryResult, Trino } from 'trino-client'
import { createLimiter, type Limiter } from '../../concurrency/limiter.ts'
import { callAgain } from '../../concurrency/retry.ts'
import { unlessAborted } from '../../concurrency/unless-aborted.ts'
import { AppError } from '../../errors.ts'
import { TrinoFailure } from './error.ts'
import type { TrinoAddress } from './url.ts'

/** A cell as the protocol carries it; numbers of 64 bits are asked for as text. */
export type Cell = null | boolean | number | string | readonly Cell[] | { readonly [key: string]: Cell }
export type CellRow = readonly Cell[]

export interface Page {
  queryId: string
  columns: readonly { name: string; type: string }[] | null
  rows: readonly CellRow[]
  /** By the engine's own count of its splits, from 0 to 1; null while it has none. */
  fraction: number | null
}

export interface StatementOptions {
  signal?: AbortSignal | undefined
  /** Session properties for this statement alone. */
  session?: Record<string, string>
}

/**
 * How many statements of a kind run at once. quick: lookups and the like. version: the ledger's count. slow: exports.
 * stream: scans, which their readers may hold for long. write: appends. All others wait their turn.
 */
const workloads = { quick: 10, version: 2, slow: 6, stream: 8, write: 4 }
export type Workload = keyof typeof workloads

export interface TrinoSession {
  /** The pages as they come, also those without rows. Leaving early stops the query in the engine. */
  pages(workload: Workload, sql: string, options?: StatementOptions): AsyncGenerator<Page, void, undefined>
  /** All rows of a small result. */
  query(
    workload: Workload,
    sql: string,
    options?: StatementOptions,
  ): Promise<{ queryId: string; columns: NonNullable<Page['columns']>; rows: CellRow[] }>
  /** What the engine knows of a query that has ended. */
  info(queryId: string, signal?: AbortSignal): Promise<unknown>
  /** Stops what runs. */
  close(): Promise<void>
}

/** The engine holds a request for a second at most when it has nothing to tell. */
const requestTimeoutMs = 30_000
const cancelTimeoutMs = 5000
/** The protocol wants these asked again, and so does what broke on the way to a page: asking for it twice changes nothing. */
const passing = new Set([429, 502, 503, 504])
const maxRetries = 6
const firstRetryMs = 50

type Client = ConstructorParameters<typeof QueryIterator>[0]
type Result = QueryResult & {
  error?: QueryResult['error'] & { errorLocation?: { lineNumber: number; columnNumber: number } }
}

/**
 * The client's own iterator keeps pages without rows to itself: no progress, and not even the query's id, which is
 * needed to stop it, before the first row. Nor can it be aborted, and it waits for ever. So the pages are asked for by
 * the client's `request`.
 */
export function openTrinoSession(address: TrinoAddress): TrinoSession {
  const { server, user, password, caFile, catalog, schema } = address
  // The client makes its agent of these: a connection is kept for the next page.
  const tls = { keepAlive: true, ...(caFile !== null && { ca: readFileSync(caFile) }) }
  const trino = Trino.create({
    server,
    ssl: tls,
    source: 'feature-gateway',
    catalog,
    ...(schema !== null && { schema }),
    ...(password !== null && { auth: new BasicAuth(user, password) }),
    extraHeaders: {
      'X-Trino-User': user,
      'X-Trino-Time-Zone': 'UTC',
      'X-Trino-Client-Capabilities': 'PARAMETRIC_DATETIME',
    },
  })
  const { client } = trino as unknown as { client: Client }
  const limiters = Object.fromEntries(
    Object.entries(workloads).map(([workload, count]) => [workload, createLimiter(count)]),
  ) as Record<Workload, Limiter>
  const closing = new AbortController()
  const stopping = new Set<Promise<unknown>>()

  function stop(next: Promise<Result | null>): void {
    const stopped = next
      .then((result) =>
        result?.nextUri === undefined
          ? null
          : client.request({ method: 'DELETE', url: result.nextUri, timeout: cancelTimeoutMs }),
      )
      // A query that nobody asks for the engine abandons by itself.
      .catch(() => null)
      .finally(() => stopping.delete(stopped))
    stopping.add(stopped)
  }

  /** Not aborted while it is under way: its answer is needed to stop the query. */
  function submit(sql: string, session: Record<string, string> = {}): Promise<Result> {
    const properties = Object.entries(session).map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    const headers = properties.length === 0 ? {} : { 'X-Trino-Session': properties.join(',') }
    const ask = () =>
      client.request<Result>({
        method: 'POST',
        url: '/v1/statement',
        data: sql,
        headers,
        timeout: requestTimeoutMs,
      })
    return retried(ask, (status) => status !== null && passing.has(status))
  }

  async function follow(url: string, signal: AbortSignal): Promise<Result> {
    const ask = () => client.request<Result>({ url, timeout: requestTimeoutMs, signal })
    try {
      return await retried(ask, (status) => !signal.aborted && (status === null || passing.has(status)))
    } catch (error) {
      signal.throwIfAborted()
      throw error
    }
  }

  async function* pages(workload: Workload, sql: string, { signal, session }: StatementOptions = {}) {
    const either = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal])
    either.throwIfAborted()
    const leave = await limiters[workload].enter(either)
    let next: Promise<Result | null> = Promise.resolve(null)
    let isOver = false
    try {
      next = submit(sql, session)
      let result = await unlessAborted(next, either)
      for (;;) {
        const { error } = result ?? {}
        if (error !== undefined) {
          isOver = true
          throw toFailure(error)
        }
        if (result === null) return
        const page = toPage(result)
        const { nextUri } = result
        isOver = nextUri === undefined
        yield page
        either.throwIfAborted()
        if (nextUri === undefined) return
        result = await follow(nextUri, either)
        next = Promise.resolve(result)
      }
    } finally {
      if (!isOver) stop(next)
      leave()
    }
  }

  async function query(workload: Workload, sql: string, options: StatementOptions = {}) {
    let queryId = ''
    let columns: NonNullable<Page['columns']> = []
    const rows: CellRow[] = []
    for await (const page of pages(workload, sql, options)) {
      queryId = page.queryId
      columns = page.columns ?? columns
      for (const row of page.rows) rows.push(row)
    }
    return { queryId, columns, rows }
  }

  return {
    pages,
    query,
    info(queryId, signal) {
      const either = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal])
      return follow(`/v1/query/${encodeURIComponent(queryId)}`, either)
    },
    async close() {
      closing.abort(new AppError('WAREHOUSE_FAILED', 'The warehouse is closed.'))
      await Promise.allSettled([...stopping])
    },
  }
}

function retried<T>(ask: () => Promise<T>, mayRetry: (status: number | null) => boolean): Promise<T> {
  return callAgain(ask, (failures, error) => {
    const { response, code } = error as { response?: { status: number }; code?: string }
    const isOver = failures >= maxRetries || code === 'ECONNREFUSED' || code === 'ECONNABORTED'
    return isOver || !mayRetry(response?.status ?? null) ? null : firstRetryMs * 2 ** failures
  })
}

function toFailure({ message, errorName, errorType, errorLocation }: NonNullable<Result['error']>) {
  const place =
    errorLocation === undefined
      ? null
      : { line: errorLocation.lineNumber, column: errorLocation.columnNumber }
  return new TrinoFailure({ message, kind: errorName, fault: errorType, place })
}

function toPage({ id, columns, data, stats }: Result): Page {
  const percentage = stats?.progressPercentage
  return {
    queryId: id,
    columns: columns ?? null,
    rows: data ?? [],
    fraction: typeof percentage === 'number' ? Math.min(percentage / 100, 1) : null,
  }
}
