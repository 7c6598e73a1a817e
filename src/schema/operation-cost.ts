// What one operation may cost, also where none of its fields is Pothos's.

import { type ComplexityErrorKind, complexityFromQuery } from '@pothos/plugin-complexity'
import { type GraphQLResolveInfo, Kind } from 'graphql'
import { AppError } from '../errors.ts'

/**
 * What one operation may ask for. A realtime field costs its keys times the fields selected beneath it, so the
 * largest allowed list of index values passes with every field selected.
 */
export const operationLimits = { depth: 16, breadth: 5_000, complexity: 500_000 }

/** A vector has a part for each of its views: so many are counted. */
export const partsMultiplier = 4

type Cost = Record<keyof typeof operationLimits, number>

export function tooCostly(kind: ComplexityErrorKind | string, cost: unknown): AppError {
  return new AppError(
    'TOO_LARGE',
    `This operation asks for too much: its ${kind.toLowerCase()} is ${JSON.stringify(cost)}. Ask in several operations.`,
  )
}

/** Counted once for each operation. */
const counted = new WeakSet<object>()

/** As Pothos counts at its own root fields. Throws TOO_LARGE. */
export function assertAffordable(context: object, info: GraphQLResolveInfo): void {
  if (counted.has(context)) return
  counted.add(context)
  const { schema, operation, fragments, variableValues } = info
  const document = { kind: Kind.DOCUMENT, definitions: [operation, ...Object.values(fragments)] } as const
  const sent = Object.entries(variableValues.sources).map(([name, { value }]) => [name, value] as const)
  const cost: Cost = complexityFromQuery(document as Parameters<typeof complexityFromQuery>[0], {
    schema,
    ctx: context,
    variables: Object.fromEntries(sent),
  })
  for (const [kind, limit] of Object.entries(operationLimits))
    if (cost[kind as keyof Cost] > limit) throw tooCostly(kind, cost)
}
