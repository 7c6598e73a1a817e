// A call of a store or an engine: timed by how it ended, and a step of what is traced.

import type { Attributes } from '@opentelemetry/api'
import { AppError } from '../errors.ts'
import type { Spread } from './families.ts'
import { call, step } from './spans.ts'

export interface Observed {
  span: string
  attributes?: Attributes
  /** Of calls that ended so. */
  seconds(outcome: string): Spread
}

export async function observe<T>(
  { span, attributes = {}, seconds }: Observed,
  work: () => Promise<T>,
): Promise<T> {
  return timed(seconds, () => step(span, { ...call, attributes }, work))
}

/** Timed alone. */
export async function timed<T>(seconds: Observed['seconds'], work: () => Promise<T>): Promise<T> {
  const startedMs = performance.now()
  let outcome = 'OK'
  try {
    return await work()
  } catch (error) {
    outcome = outcomeOf(error)
    throw error
  } finally {
    seconds(outcome).observe((performance.now() - startedMs) / 1000)
  }
}

/** An error's code, or that the caller wanted it no longer. */
function outcomeOf(error: unknown): string {
  if (error instanceof AppError) return error.code
  return error instanceof DOMException && error.name === 'AbortError' ? 'ABORTED' : 'INTERNAL'
}
