// Looks keys up for many statements at once: each as it is looked up by itself, and all on one connection without waiting for each other's answers.

import type { LookupLimits } from '../lookup-limits.ts'
import type { LookupManyRequest, LookupResult, Warehouse } from '../port.ts'
import { isConnectionLost, toPostgresError } from './error.ts'
import { bytesWithin, columnsBefore, type PreparedLookup, prepareLookup, readFound } from './lookup.ts'
import type { ResultField } from './messages.ts'
import type { PipelinedAnswer, PipelinedStatement } from './pipeline.ts'
import type { Plans, PostgresStatement } from './plan.ts'
import type { Session } from './session.ts'
import { type Sessions, statementTimeout } from './sessions.ts'

/** A statement that takes longer holds up the others. */
const statementMs = 500
/** A failure ends what was sent: the others are sent anew, so often. */
const maxPipelines = 3

interface Wanted extends PreparedLookup {
  plan: PostgresStatement
  /** Among the statements that were asked for. */
  place: number
  /** Whether what it gives tells of every column the type that it has in the statement. */
  tellsTypes: boolean
}

export function createLookupMany({
  sessions,
  plans,
  limits,
}: {
  sessions: Sessions
  plans: Plans
  limits: LookupLimits
}): NonNullable<Warehouse['lookupMany']> {
  async function prepareAll(session: Session, request: LookupManyRequest): Promise<Wanted[]> {
    const wanted: Wanted[] = []
    for (const [place, statement] of request.statements.entries()) {
      const { key, values, signal } = request
      const { timeline } = statement
      signal?.throwIfAborted()
      const made = await plans
        .withPlan(session, statement, async (plan) => {
          const prepared = await prepareLookup(session, plan, { key, values, timeline }, limits)
          const tellsTypes = statement.saved !== undefined && areReadAsTheyAre(plan)
          return prepared && { ...prepared, plan, place, tellsTypes }
        })
        .catch(unlessLost)
      if (made !== null) wanted.push(made)
    }
    return wanted
  }

  async function run(session: Session, request: LookupManyRequest, results: (LookupResult | null)[]) {
    const wanted = await prepareAll(session, request)
    let next = 0
    for (let sent = 0; sent < maxPipelines && next < wanted.length; sent++) {
      request.signal?.throwIfAborted()
      const rest = wanted.slice(next)
      const { answers, failure } = await session.pipeline(statementsOf(rest), bytesWithin(limits))
      if (failure !== null && isConnectionLost(failure)) throw failure
      next += read(rest, answers, results) + 1
    }
  }

  /** How many were answered whole. */
  function read(
    wanted: readonly Wanted[],
    answers: readonly PipelinedAnswer[],
    results: (LookupResult | null)[],
  ): number {
    // The first sets the time that each may take.
    let at = 1
    for (const [count, each] of wanted.entries()) {
      const found = answers[at++]
      const told = each.tellsTypes ? found?.fields.slice(columnsBefore) : answers[at++]?.fields
      if (found === undefined || told === undefined) return count
      results[each.place] = isCurrent(each, told) ? within(each.plan, found) : null
    }
    return wanted.length
  }

  function within(plan: PostgresStatement, { rows }: PipelinedAnswer): LookupResult | null {
    try {
      return readFound(plan, rows, limits)
    } catch {
      // Whoever looks it up by itself hears of it.
      return null
    }
  }

  return async (request) => {
    const results = new Array<LookupResult | null>(request.statements.length).fill(null)
    if (request.values.length === 0) return results
    try {
      await sessions.use('quick', request.signal, (session) => run(session, request, results))
    } catch (error) {
      throw toPostgresError(error, { signal: request.signal })
    }
    return results
  }
}

/** Whoever looks a statement that failed up by itself hears of it. */
function unlessLost(error: unknown): null {
  if (isConnectionLost(error)) throw error
  return null
}

/** A failure undoes the setting, as the end does. */
function statementsOf(wanted: readonly Wanted[]): PipelinedStatement[] {
  const set = (value: string) => ({ sql: `SET statement_timeout = '${value}'`, values: [] })
  const each = wanted.flatMap(({ plan, sql, lists, tellsTypes }) => [
    { sql, values: lists },
    ...(tellsTypes ? [] : [{ sql: plan.sql, values: null }]),
  ])
  return [set(`${statementMs}ms`), ...each, set(statementTimeout)]
}

function areReadAsTheyAre({ alias, carriers }: PostgresStatement): boolean {
  return alias === 't' && carriers.every(({ select }) => select('') === '')
}

/** As `assertCurrent` asks of all that the statement gives. */
function isCurrent({ plan, tellsTypes }: Wanted, told: readonly ResultField[]): boolean {
  const { columns, fields } = plan
  const planned = tellsTypes ? columns.map(({ name }) => fields.find((field) => field.name === name)) : fields
  return JSON.stringify(told) === JSON.stringify(planned)
}
