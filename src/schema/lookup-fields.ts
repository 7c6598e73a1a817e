// The fields that look features up: what each takes, whom it asks, what it answers. Resolvers and the hot path read this one list.

import { AppError } from '../errors.ts'
import { failedResult, type LookupTarget, type RealtimeResult } from '../realtime/service.ts'
import { toByteText } from '../values/byte-text.ts'
import { formatMicros } from '../values/calendar.ts'
import type { Context } from './context.ts'

export type Loading = Pick<Context, 'realtimeLoader' | 'charge' | 'answer'>

/** A `Name` is a text that is not empty. */
export type ArgumentKind = 'ID' | 'String' | 'Name' | 'StringList'

/** By name, each as its kind has it. */
export type LookupArguments = Readonly<Record<string, string | readonly string[]>>

/** How a field of an answer is written: a value by itself, or an object of its own, or null. */
export type AnswerField<Answer> =
  | {
      /** JSON, in UTF-8 as ByteText has it. */
      write(answer: Answer): string
      /** The same for all answers of one form. */
      isFixed?: true
    }
  | { type: AnswerType<unknown>; of(answer: Answer): unknown }

export interface AnswerType<Answer> {
  name: string
  fields: Readonly<Record<string, AnswerField<Answer>>>
  /** Answers of one form have the same fixed fields. */
  formOf(answer: Answer): string
}

interface Taking {
  name: string
  /** Each of them has to be given. */
  arguments: Readonly<Record<string, ArgumentKind>>
  answer: AnswerType<RealtimeResult>
}

export interface OneLookup extends Taking {
  list: null
  lookUp(context: Loading, args: LookupArguments): Promise<RealtimeResult>
}

export interface ManyLookups extends Taking {
  /** The argument with the values: one answer for each. */
  list: string
  lookUp(context: Loading, args: LookupArguments): Promise<readonly RealtimeResult[]>
}

export type LookupField = OneLookup | ManyLookups
/** By the name of a field of Query. */
export type LookupFields = ReadonlyMap<string, LookupField>

const failure: AnswerType<AppError> = {
  name: 'RealtimeFailure',
  fields: {
    code: { write: ({ code }) => JSON.stringify(code) },
    message: { write: ({ message }) => toByteText(JSON.stringify(message)) },
  },
  formOf: () => '',
}

const forms = {
  ONLINE: {
    FRESH: 'online fresh',
    STALE: 'online stale',
    NOT_FOUND: 'online none',
    EXPIRED: 'online expired',
    FAILED: 'online failed',
  },
  WAREHOUSE: { FRESH: 'fresh', STALE: 'stale', NOT_FOUND: 'none', EXPIRED: 'expired', FAILED: 'failed' },
} as const satisfies Record<RealtimeResult['source'], Record<RealtimeResult['status'], string>>

const realtimeResult: AnswerType<RealtimeResult> = {
  name: 'RealtimeResult',
  fields: {
    indexKey: { write: ({ indexKey }) => toByteText(JSON.stringify(indexKey)) },
    indexValue: { write: ({ indexValue }) => toByteText(JSON.stringify(indexValue)) },
    status: { write: ({ status }) => `"${status}"`, isFixed: true },
    rows: { write: ({ rows }) => rows },
    source: { write: ({ source }) => `"${source}"`, isFixed: true },
    asOf: {
      write: ({ asOfMs }) => (asOfMs === null ? 'null' : `"${new Date(asOfMs).toISOString()}"`),
    },
    eventTime: { write: ({ eventTime }) => (eventTime === null ? 'null' : `"${formatMicros(eventTime)}"`) },
    error: { type: failure as AnswerType<unknown>, of: ({ error }) => error },
  },
  formOf: ({ source, status }) => forms[source][status],
}

/** Of the argument queryId, wherever it stands. */
export const repeatDescription =
  'A name for this request, kept for a week: the same call again answers the same dataset; another one under it is a CONFLICT.'
export const queryDescription = "A saved query's id, its name (the newest version then), or name@version."

const query = { queryId: 'ID', indexKey: 'Name' } as const
const extraction = { ...query, etlPath: 'Name' } as const
const one = { answer: realtimeResult, list: null, lookUp: lookUpOne } as const
const many = { answer: realtimeResult, list: 'indexValues', lookUp: lookUpMany } as const

export const lookups = {
  queryRealtime: { ...one, name: 'queryRealtime', arguments: { ...query, indexValue: 'String' } },
  queryRealtimeMany: {
    ...many,
    name: 'queryRealtimeMany',
    arguments: { ...query, indexValues: 'StringList' },
  },
  extractRealtime: { ...one, name: 'extractRealtime', arguments: { ...extraction, indexValue: 'String' } },
  extractRealtimeMany: {
    ...many,
    name: 'extractRealtimeMany',
    arguments: { ...extraction, indexValues: 'StringList' },
  },
} as const satisfies Record<string, LookupField>

export const lookupFields: LookupFields = new Map(Object.entries(lookups))

export function targetOf({ queryId, etlPath, indexKey }: LookupArguments): LookupTarget {
  return {
    queryId: queryId as string,
    etlPath: (etlPath as string | undefined) ?? null,
    indexKey: indexKey as string,
  }
}

function lookUpOne(loading: Loading, args: LookupArguments): Promise<RealtimeResult> {
  return lookUpValue(loading, targetOf(args), args.indexValue as string)
}

function lookUpMany(loading: Loading, args: LookupArguments): Promise<readonly RealtimeResult[]> {
  return lookUpValues(loading, targetOf(args), args.indexValues as readonly string[])
}

/** Rejects for what concerns the target, or the stores; what is wrong with the value is a result that FAILED. */
export async function lookUpValue(
  { realtimeLoader, charge, answer }: Loading,
  target: LookupTarget,
  value: string,
): Promise<RealtimeResult> {
  charge?.(1)
  const [result] = await realtimeLoader.load(target, [value])
  if (result === undefined || result instanceof AppError) {
    throw result ?? new Error('the realtime loader gave no result for one value')
  }
  answer.take(result.rows.length)
  return result
}

/** Rejects for what concerns the target alone: no value that fails takes the others. */
export async function lookUpValues(
  { realtimeLoader, charge, answer }: Loading,
  target: LookupTarget,
  values: readonly string[],
): Promise<readonly RealtimeResult[]> {
  charge?.(values.length)
  const answers = await realtimeLoader.load(target, values)
  for (const each of answers) if (!(each instanceof AppError)) answer.take(each.rows.length)
  if (!answers.some((each) => each instanceof AppError)) return answers as readonly RealtimeResult[]
  return answers.map((each, i) =>
    each instanceof AppError
      ? failedResult({ indexKey: target.indexKey, indexValue: values[i] ?? '' }, each)
      : each,
  )
}
