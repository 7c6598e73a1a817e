// Calls of as_of() in a statement, as the server's own analysis finds them: of a function that it does not know it tells.

import { refuse } from '../../duckdb/engine-error.ts'
import {
  type Asking,
  anyMoment,
  confirmCalls,
  fill,
  momentLiteral,
  unfill,
  valueOnly,
} from '../../sql/as-of.ts'
import { momentType } from '../planned-statement.ts'
import { postgresDialect } from './dialect.ts'
import { isServerError, toPostgresError } from './error.ts'
import type { ResultField } from './messages.ts'
import type { Session } from './session.ts'
import { blankSemicolons, writtenCalls } from './text.ts'

/** What stands in place of as_of() while a statement is judged. */
export const judgedMoment = momentLiteral(anyMoment, momentType(postgresDialect))
export const restoreMoment = (text: string) => unfill(text, judgedMoment)

const unknownFunction = '42883'
const syntaxError = '42601'

/** Null where there are none. Outside of a transaction, which the server's refusals would end. */
export async function findAsking(session: Session, sql: string): Promise<Asking | null> {
  const calls = writtenCalls(sql)
  if (calls.length === 0) return null
  const found = await confirmCalls({ text: blankSemicolons(sql), calls }, judgedMoment, async (filled) => {
    try {
      await session.describe(filled)
      return null
    } catch (error) {
      if (isServerError(error) && error.code === unknownFunction && error.message.includes('gateway_moment'))
        return error.message
      // What the user wrote has passed the server's parser before.
      if (isServerError(error) && error.code === syntaxError && filled.includes(judgedMoment))
        throw refuse(`${valueOnly}: ${restoreMoment(error.message)}`, null, { cause: error })
      throw toPostgresError(error, { sql: filled, restore: restoreMoment })
    }
  })
  return found.calls.length === 0 ? null : found
}

/** What the columns are called: one without a name of its own by the function, which a cast's would hide. */
export async function namesOf(
  session: Session,
  asking: Asking,
  fields: readonly ResultField[],
): Promise<readonly string[]> {
  const named = await session.describe(fill(asking, `(SELECT ${judgedMoment} AS as_of)`)).catch(() => null)
  return (named ?? fields).map(({ name }) => name)
}
