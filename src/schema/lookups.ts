// What a realtime field answers: the loader's results, each value's failure named. Resolvers and the hot path share it.

import { AppError } from '../errors.ts'
import type { LookupAnswers, LookupTarget, RealtimeResult } from '../realtime/service.ts'
import type { Context } from './context.ts'

export type Loading = Pick<Context, 'realtimeLoader' | 'charge' | 'answer'>

export function lookUpOne(
  { realtimeLoader, charge, answer }: Loading,
  target: LookupTarget,
  value: string,
): Promise<RealtimeResult> {
  charge?.(1)
  return realtimeLoader.load(target, [value]).then(([result]) => {
    if (result === undefined || result instanceof AppError) {
      throw result ?? new Error('the realtime loader gave no result for one value')
    }
    answer.take(result.rows.length)
    return result
  })
}

/** A value that fails stands in the list as its error, so that the error's path names it. */
export async function lookUpMany(
  { realtimeLoader, charge, answer }: Loading,
  target: LookupTarget,
  values: readonly string[],
): Promise<readonly RealtimeResult[]> {
  charge?.(values.length)
  const results = await realtimeLoader.load(target, values)
  for (const result of results) if (!(result instanceof AppError)) answer.take(result.rows.length)
  if (!results.some(isFailure)) return results as readonly RealtimeResult[]
  return results.map((result, i) =>
    result instanceof AppError ? naming(result, target.indexKey, values[i] ?? '') : result,
  ) as readonly RealtimeResult[]
}

function isFailure(result: LookupAnswers[number]): boolean {
  return result instanceof AppError
}

function naming(error: AppError, indexKey: string, value: string): AppError {
  const quoted = JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value)
  return new AppError(error.code, `${indexKey} ${quoted}: ${error.message}`, {
    cause: error,
    ...(error.details && { details: error.details }),
  })
}
