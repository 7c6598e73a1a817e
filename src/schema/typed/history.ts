// Typed features as they were: what a training set holds for the entity at that moment, from the same code.

import { AppError } from '../../errors.ts'
import { failedResult } from '../../realtime/service.ts'
import { type PastPart, readPast } from '../../realtime/vectors/past.ts'
import type { Training } from '../../training/service.ts'
import { toByteText } from '../../values/byte-text.ts'
import { type Column, createRowEncoder, type Frame } from '../../values/columns.ts'
import type { EntityKey } from '../../values/entity-key.ts'
import type { Loading } from '../lookup-fields.ts'
import type { TypedEntry } from './entries.ts'
import { type TypedAnswer, toAnswer } from './typed-lookups.ts'

/** An answer for each key, in order: what is wrong with one is its own. */
export type AnswersAt = (
  entry: TypedEntry,
  loading: Pick<Loading, 'charge' | 'answer'>,
  keys: readonly string[],
  moment: bigint,
) => Promise<readonly TypedAnswer[]>

const nothing: PastPart = { status: 'NOT_FOUND', eventTime: null, cells: [] }

/** The warehouse has so long. */
const withinMs = 60_000

/** Rows of a view without a time, and without a moment in its query, are those of now whenever is asked. */
export function hasPast({ isInTime, view }: TypedEntry): boolean {
  return isInTime || view.query.asksForMoment
}

export function createHistory(training: Pick<Training, 'features'>): AnswersAt {
  return async (entry, { charge, answer }, keys, moment) => {
    charge?.(keys.length)
    const parsed = keys.map((text) => parse(entry, text))
    const entities = parsed.filter((key): key is EntityKey => !(key instanceof AppError))
    const columns = columnsOf(entry)
    const { rows } =
      entities.length === 0
        ? { rows: [] }
        : await readPast(training.features, {
            references: [referenceOf(entry, columns)],
            entities: entitiesOf(entry, entities),
            moment,
            signal: AbortSignal.timeout(withinMs),
          })
    const encode = createRowEncoder(columns)
    let next = 0
    return parsed.map((key, i) => {
      const indexValue = keys[i] ?? ''
      const facts = { indexKey: entry.view.key.text, indexValue }
      if (key instanceof AppError) return { result: failedResult(facts, key), rows: [] }
      const [{ status, eventTime, cells } = nothing] = rows[next++] ?? []
      const text = status === 'FRESH' ? `[${encode(cells)}]` : '[]'
      answer.take(text.length)
      const asOfMs = Number(moment / 1000n)
      const rest = {
        source: 'WAREHOUSE',
        rows: toByteText(text),
        asOfMs,
        eventTime,
        changesAt: null,
        error: null,
      } as const
      return toAnswer({ ...facts, ...rest, status })
    })
  }
}

function parse({ view }: TypedEntry, text: string): EntityKey | AppError {
  try {
    return view.key.parse(text)
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}

/** Those that rows are typed by. */
function columnsOf({ columns, view: { record } }: TypedEntry): readonly Column[] {
  return columns.filter(({ name }) => name !== record.timestampColumn && name !== record.createdColumn)
}

const keyName = (i: number) => `key ${i}`

function referenceOf({ view }: TypedEntry, columns: readonly Column[]) {
  return {
    view,
    prefix: null,
    keys: view.key.columns.map((key, i) => ({ key, column: keyName(i) })),
    features: columns.map((column, i) => ({ column, name: `feature ${i}` })),
  }
}

function entitiesOf({ view }: TypedEntry, entities: readonly EntityKey[]): Frame {
  return {
    columns: view.key.columns.map((column, i) => ({ ...column, name: keyName(i) })),
    rows: entities.map(({ values }) => values),
  }
}
