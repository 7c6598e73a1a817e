// Lookups of typed fields: rows as objects, out of the one read of the online store that an operation costs.

import type { LookupTarget, RealtimeResult } from '../../realtime/service.ts'
import { toText } from '../../values/byte-text.ts'
import { keyText } from '../../values/entity-key.ts'
import { type Loading, lookUpValue, lookUpValues } from '../lookup-fields.ts'
import type { TypedEntry } from './entries.ts'

export interface TypedAnswer {
  result: RealtimeResult
  rows: readonly object[]
}

type Key = Readonly<Record<string, unknown>>

/** With what it was asked by. */
export interface KeyedAnswer extends TypedAnswer {
  key: Key
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
  loading: Loading,
  key: string,
): Promise<readonly object[]> {
  return rowsOf([toAnswer(await lookUpValue(loading, targetOfEntry(entry), key))])
}

/** Of the only answer; throws what keeps it from being one. */
export function rowsOf([answer]: readonly TypedAnswer[]): readonly object[] {
  if (answer === undefined) throw new Error('a lookup of one value gave no answer')
  if (answer.result.error !== null) throw answer.result.error
  return answer.rows
}

/** One for each key, in order. */
export async function answersOf(
  entry: TypedEntry,
  loading: Loading,
  keys: readonly Key[],
): Promise<readonly KeyedAnswer[]> {
  const texts = keys.map((key) => keyOf(entry, key))
  const results = await lookUpValues(loading, targetOfEntry(entry), texts)
  return results.map((result, i) => ({ ...toAnswer(result), key: keys[i] ?? {} }))
}

/** As an index value: the text of one column's value, or a JSON array of theirs. */
export function keyOf({ keys }: TypedEntry, given: Key): string {
  return keyText(keys.map(({ name }) => String(given[name])))
}
