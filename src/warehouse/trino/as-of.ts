// Calls of as_of() in a statement, as the engine's own analysis finds them: of a function that it does not know it tells.

import { refuse } from '../../duckdb/engine-error.ts'
import {
  type Asking,
  anyMoment,
  asOf,
  type Call,
  callAt,
  confirmCalls,
  momentLiteral,
  unfill,
  valueOnly,
} from '../../sql/as-of.ts'
import { blankSemicolons } from '../../sql/sql-text.ts'
import { momentType } from '../planned-statement.ts'
import { trinoDialect } from './dialect.ts'
import { TrinoFailure, toTrinoError } from './error.ts'
import type { TrinoSession } from './session.ts'
import { tokensOf } from './words.ts'

/** What stands in place of as_of() while a statement is judged. */
export const judgedMoment = momentLiteral(anyMoment, momentType(trinoDialect))
export const restoreMoment = (text: string) => unfill(text, judgedMoment)

/** Null where there are none. */
export async function findAsking(
  session: TrinoSession,
  sql: string,
  signal?: AbortSignal,
): Promise<Asking | null> {
  const calls = writtenCalls(sql)
  if (calls.length === 0) return null
  const found = await confirmCalls({ text: blankSemicolons(sql), calls }, judgedMoment, async (filled) => {
    try {
      await session.query('quick', `EXPLAIN (TYPE VALIDATE)\n${filled}`, { signal })
      return null
    } catch (error) {
      const isFailure = error instanceof TrinoFailure
      if (isFailure && error.kind === 'FUNCTION_NOT_FOUND' && error.message.includes('gateway_moment'))
        return error.message
      // What the user wrote has passed the engine's parser before.
      if (isFailure && error.kind === 'SYNTAX_ERROR' && filled.includes(judgedMoment))
        throw refuse(`${valueOnly}: ${restoreMoment(error.message)}`, null, { cause: error })
      throw toTrinoError(error, { sql: filled, restore: restoreMoment, signal })
    }
  })
  return found.calls.length === 0 ? null : found
}

/** Where as_of() may be called: the engine knows whether it is. */
function writtenCalls(sql: string): Call[] {
  const tokens = tokensOf(sql)
  return tokens.flatMap((token, i) => {
    const isOfSchema = tokens[i - 1]?.word === '.'
    return token.name === asOf && !isOfSchema ? (callAt(sql, token, false) ?? []) : []
  })
}
