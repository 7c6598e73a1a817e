// A statement's whole result in the order of a key: sorted by the server, streamed by COPY, which may use several processes.

import type { Row } from '../../values/columns.ts'
import type { KeyValues } from '../../values/entity-key.ts'
import { writeKeyValue } from '../key-columns.ts'
import { readVersion } from '../ledger.ts'
import { selectWhere, writtenOf } from '../planned-statement.ts'
import type { ScanRequest, ScanResult } from '../port.ts'
import { createRowReader } from './copy-rows.ts'
import { toPostgresError } from './error.ts'
import { keyTermsOf } from './key-terms.ts'
import { readRow } from './lookup.ts'
import { beginReading, type Plans, type PostgresStatement } from './plan.ts'
import type { Session } from './session.ts'
import type { SessionLease, Sessions } from './sessions.ts'
import { lengthInCharacters } from './text.ts'
import { timelineTerms } from './timeline.ts'

const rowsPerBatch = 2000
/** The server's own default is for queries that answer a page: a sort of millions of rows by it goes over the disk again and again. */
const sortMemoryMb = 64
/** Settings of the transaction, by which the statement is given values that COPY takes no parameters for. */
const afterSetting = (column: number) => `feature_gateway.after_${column}`

export async function scan(
  request: ScanRequest,
  parts: { sessions: Sessions; plans: Plans; timeoutMs: number },
): Promise<ScanResult> {
  const { sql, signal } = request
  const fail = (error: unknown) => toPostgresError(error, { sql, signal })
  const lease = await parts.sessions.lease('stream', signal).catch((error: unknown) => {
    throw fail(error)
  })
  const { session } = lease
  try {
    const { plan, version, prefix, statement } = await lease.run(() =>
      parts.plans.withPlan(session, request, (made) => begin(session, made, parts.timeoutMs, request)),
    )
    const written = { ...writtenOf(plan), signal, offset: lengthInCharacters(prefix) }
    const failed = (error: unknown) => toPostgresError(error, written)
    return { version, columns: plan.columns, batches: streamRows({ lease, plan, statement, failed }) }
  } catch (error) {
    await lease.release()
    throw fail(error)
  }
}

/** The transaction, in which the statement is current to its end, and what streams its rows. */
async function begin(
  session: Session,
  plan: PostgresStatement,
  timeoutMs: number,
  request: Pick<ScanRequest, 'key' | 'after' | 'timeline' | 'snapshot'>,
) {
  const { key, after, snapshot } = request
  const order = orderOf(plan, key)
  await beginReading(session, plan, { timeoutMs, snapshot })
  await session.script(
    `SELECT set_config('work_mem', '${sortMemoryMb}MB', true) WHERE pg_size_bytes(current_setting('work_mem')) < ${sortMemoryMb * 1024 * 1024}`,
  )
  for (const [c, value] of (after ?? []).entries())
    await session.query(`SELECT set_config('${afterSetting(c)}', $1, true)`, [order.encode(c, value)])
  const among = after === undefined ? order.present : order.after
  const { prefix, text } = selectWhere(plan, among, timelineTerms(plan, request))
  const statement = `COPY (${text} ORDER BY ${order.by}) TO STDOUT`
  return { plan, version: await readVersion(session), prefix: `COPY (${prefix}`, statement }
}

async function* streamRows({
  lease,
  plan,
  statement,
  failed,
}: {
  lease: SessionLease
  plan: PostgresStatement
  statement: string
  failed: (error: unknown) => unknown
}): AsyncGenerator<readonly Row[]> {
  const { session } = lease
  const read = createRowReader()
  let isThrough = false
  try {
    const source = session.copyTo(statement)
    source.on('error', () => undefined)
    const pieces: AsyncIterator<Buffer> = source[Symbol.asyncIterator]()
    let rows: Row[] = []
    for (;;) {
      const { done, value } = await lease.run(() => pieces.next())
      if (done) break
      for (const cells of read(value)) rows.push(readRow(plan, cells))
      if (rows.length < rowsPerBatch) continue
      yield rows
      rows = []
    }
    isThrough = true
    if (rows.length > 0) yield rows
  } catch (error) {
    throw failed(error)
  } finally {
    // What is left of the stream nobody reads: the connection is of no further use.
    if (!isThrough) session.destroy()
    await lease.release()
  }
}

function orderOf(plan: PostgresStatement, key: readonly string[]) {
  const terms = keyTermsOf(plan, key)
  const bounds = terms.map(({ carrier, isOrdered }, c) => {
    const bound = `current_setting('${afterSetting(c)}')`
    return isOrdered ? `${bound}::${carrier.keyType}` : bound
  })
  const present = terms.map(({ name }) => `${name} IS NOT NULL`).join(' AND ')
  const by = terms.map((term) => term.by).join(', ')
  const behind = `(${by}) > (${bounds.join(', ')})`
  return {
    present,
    by,
    after: terms.length === 1 ? behind : `${present} AND ${behind}`,
    encode(column: number, value: KeyValues[number]): string {
      const carrier = terms[column]?.carrier
      if (carrier === undefined)
        throw new Error('The key that the scan goes on behind has more values than columns')
      return writeKeyValue(key[column] ?? '', () => carrier.encode(value))
    },
  }
}
