// What clients of one schema lose or have to look after in another one.

import type { GraphQLSchema } from 'graphql'

/** The worst first. */
export const criticalities = ['BREAKING', 'DANGEROUS', 'SAFE'] as const
export type Criticality = (typeof criticalities)[number]

export interface SchemaChange {
  criticality: Criticality
  message: string
  /** `Features.driverStats`; null where the change is of no one place. */
  path: string | null
}

/** A view and a service that would go from the catalog, by their ids; null for what stays. */
export interface Removal {
  viewId: string | null
  serviceId: string | null
}

export interface RemovalChange extends SchemaChange {
  /** What asks for the field, or for the types of the entry. */
  usedBy: readonly string[]
}

const criticalityOf = { BREAKING: 'BREAKING', DANGEROUS: 'DANGEROUS', NON_BREAKING: 'SAFE' } as const

/** The worst first, then by their paths; each message is one line. */
export async function findChanges(before: GraphQLSchema, after: GraphQLSchema): Promise<SchemaChange[]> {
  // Few ask for it: a gateway that starts need not load it.
  const { diff } = await import('@graphql-inspector/core')
  const changes = await diff(before, after)
  return changes
    .map(({ criticality, message, path }) => ({
      criticality: criticalityOf[criticality.level],
      message: message.replaceAll(/\s+/g, ' '),
      path: path ?? null,
    }))
    .sort((a, b) => rankOf(a) - rankOf(b) || compare(a.path ?? '', b.path ?? ''))
}

function rankOf({ criticality }: SchemaChange): number {
  return criticalities.indexOf(criticality)
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
