// What SQL writes without parentheses and the engine answers of itself, unless a column bears the name: current_user and its kin.

import type { DuckDBConnection } from '@duckdb/node-api'
import { settingNames } from './functions.ts'

/** A function that is not there. */
const refusal = 'gateway_refuses_what_tells_of_the_server'

/**
 * Gives the names another meaning on this connection: only the engine knows where one is a column, and where it is none,
 * it now finds a macro that calls a function which is not there.
 */
export async function hideServerNames(connection: DuckDBConnection): Promise<void> {
  const macros = settingNames.map((name) => `CREATE TEMP MACRO "${name}"() AS ${refusal}();`)
  await connection.run(`CREATE TEMP MACRO ${refusal}() AS 1; ${macros.join(' ')} DROP MACRO temp.${refusal};`)
}

/** What to say instead of the engine's message, where it is of such a name. */
export function refusedServerName(message: string): string | null {
  if (!message.includes(refusal)) return null
  return `${settingNames.join(', ')} may not be used: they tell of the server. No column has such a name here.`
}
