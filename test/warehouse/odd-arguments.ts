// Every function of an engine, called with odd arguments: what comes of it is a result or the statement's fault, never the warehouse's.

import { expect } from 'vitest'
import { AppError } from '../../src/errors.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'

export interface EngineFunction {
  /** As it is called. */
  name: string
  /** Its arguments' types, as the engine names them. */
  types: readonly string[]
}

const ofStatement = new Set(['INVALID_SQL', 'TOO_LARGE', 'TIMEOUT'])
const statementTimeoutMs = 2000

/** A call with odd arguments, of the `turn`-th kind. */
export function callOf(
  { name, types }: EngineFunction,
  odd: (type: string, turn: number) => string,
  turn: number,
) {
  return `SELECT 1 AS k, ${name}(${types.map((type, i) => odd(type, turn + i)).join(', ')}) AS a`
}

/** Runs statements in random order, as many as the time allows; resolves to how many. */
export async function expectNoFaultOfOurs(
  warehouse: Warehouse,
  statements: readonly string[],
  { boundMs, atOnce }: { boundMs: number; atOnce: number },
): Promise<number> {
  const untilMs = performance.now() + boundMs
  const left = [...statements]
  const faults: string[] = []
  let ran = 0
  async function runSome() {
    while (left.length > 0 && performance.now() < untilMs) {
      const [sql = ''] = left.splice(Math.floor(Math.random() * left.length), 1)
      const fault = await faultOf(warehouse, sql)
      if (fault !== null) faults.push(`${sql}: ${fault}`)
      ran++
    }
  }
  await Promise.all(Array.from({ length: atOnce }, runSome))
  expect(faults).toEqual([])
  return ran
}

async function faultOf(warehouse: Warehouse, sql: string): Promise<string | null> {
  const signal = AbortSignal.timeout(statementTimeoutMs)
  try {
    for await (const _ of (await warehouse.scan({ sql, key: ['k'], signal })).batches);
    return null
  } catch (error) {
    if (signal.aborted) return null
    if (error instanceof AppError && ofStatement.has(error.code)) return null
    return String(error)
  }
}
