// The schema in force, which may be swapped while the gateway runs: what is under way ends on the one that it began with.

import type { GraphQLSchema } from 'graphql'
import type { LookupFields } from './lookup-fields.ts'
import type { TypedEntry, TypedService } from './typed/entries.ts'

export interface HeldSchema {
  readonly schema: GraphQLSchema
  /** Those of its fields that look features up. */
  readonly lookupFields: LookupFields
  /** The views that stand beneath its field `features`, by name. */
  readonly typed: ReadonlyMap<string, TypedEntry>
  /** The services that stand there. */
  readonly services: ReadonlyMap<string, TypedService>
  /** What is remembered of a schema is remembered by this number; it only grows. */
  readonly version: number
}

export interface SchemaHolder {
  readonly current: HeldSchema
  /** Operations that begin from now on have it. */
  swap(next: Omit<HeldSchema, 'version'>): void
  /** Calls back after each swap, until the function that it returns is called. */
  onSwap(listener: (held: HeldSchema) => void): () => void
}

export function holdSchema(first: Omit<HeldSchema, 'version'>): SchemaHolder {
  let current: HeldSchema = { ...first, version: 1 }
  const listeners = new Set<(held: HeldSchema) => void>()
  return {
    get current() {
      return current
    },
    swap(next) {
      current = { ...next, version: current.version + 1 }
      for (const listener of listeners) listener(current)
    },
    onSwap(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
