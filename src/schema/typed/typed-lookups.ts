// Lookups of typed fields: rows as objects, out of the one read of the online store that an operation costs.

import type { LookupTarget, RealtimeResult } from '../../realtime/service.ts'
import { toText } from '../../values/byte-text.ts'
import type { Context } from '../context.ts'
import { lookUpValue, lookUpValues } from '../lookup-fields.ts'
import type { TypedEntry } from './entries.ts'

export interface TypedAnswer {
  result: RealtimeResult
  rows: readonly object[]
}

export function targetOfEntry({ view: { record, key } }: TypedEntry): LookupTarget {
  return { queryId: record.queryId, etlPath: record.etlId, indexKey: key.text }
}

export function toAnswer(result: RealtimeResult): TypedAnswer {
  return { result, rows: JSON.parse(toText(result.rows)) as object[] }
}

/** Throws what keeps the entity from being answered. */
export async function rowsOfOne(
  entry: TypedEntry,
  context: Context,
  key: string,
): Promise<readonly object[]> {
  const { result, rows } = toAnswer(await lookUpValue(context, targetOfEntry(entry), key))
  if (result.error !== null) throw result.error
  return rows
}

export async function answersOf(
  entry: TypedEntry,
  context: Context,
  keys: readonly string[],
): Promise<readonly TypedAnswer[]> {
  return (await lookUpValues(context, targetOfEntry(entry), keys)).map(toAnswer)
}
