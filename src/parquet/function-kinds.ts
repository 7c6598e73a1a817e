// What the engine's functions are, as far as proofs about statements ask.

import type { DuckDBConnection } from '@duckdb/node-api'

export interface FunctionKinds {
  /** Work on one row and nothing else. */
  scalar: ReadonlySet<string>
  /** The engine's own, of all kinds. */
  known: ReadonlySet<string>
}

/** Macros of the engine that are expressions of one row. */
const rowWiseMacros =
  /^(nullif|split_part|date_add|days_in_month|fdiv|fmod|round_even|roundbankers|array_(append|pop_back|pop_front|prepend|push_back|push_front|reverse|to_string)|list_(append|prepend|reverse|avg|sum|min|max|count|first|last|any_value)|map_contains_(entry|value)|json)$/

export async function listFunctionKinds(connection: DuckDBConnection): Promise<FunctionKinds> {
  const result = await connection.run(`
    SELECT lower(function_name), bool_and(function_type = 'scalar'), bool_and(internal)
    FROM duckdb_functions() GROUP BY 1`)
  const scalar = new Set<string>()
  const known = new Set<string>()
  for (const [name, isScalar, isInternal] of await result.getRows()) {
    if (isInternal !== true) continue
    known.add(String(name))
    const isRowWise = isScalar === true || rowWiseMacros.test(String(name))
    if (isRowWise && name !== 'unnest' && name !== 'generate_subscripts') scalar.add(String(name))
  }
  return { scalar, known }
}
