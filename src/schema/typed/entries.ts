// Which entries of the catalog become GraphQL types, and what is left out and why.

import { createBreath } from '../../concurrency/breath.ts'
import type { AppError } from '../../errors.ts'
import type { FeatureService } from '../../features/services.ts'
import type { View } from '../../features/views.ts'
import type { Column } from '../../values/columns.ts'
import type { Removal, RemovalChange } from '../changes.ts'
import { labelOfService, type TypedService, toTypedService } from './service-entry.ts'
import {
  anotherName,
  type Described,
  type Found,
  labelOf,
  type SchemaProblem,
  type TypedEntry,
  toEntry,
} from './view-entry.ts'

export type { TypedService } from './service-entry.ts'
export type { SchemaProblem, TypedEntry } from './view-entry.ts'

/** What the rest of the schema asks of the typed one. */
export interface TypedState {
  /** What stands in no type, why, and what helps. */
  problems(): readonly SchemaProblem[]
  /** Resolves once every schema that is held has what the catalog holds now, or could not be made. */
  refreshed(): Promise<void>
  /** Throws CONFLICT with the names of what asks for the fields of the view, or of the service while it is the newest version. */
  assertUnused(id: string): void
  /** What would be lost, or be another, without these; nothing where they have no place in the schema. */
  changesWithout(removal: Removal): Promise<readonly RemovalChange[]>
}

export interface Entries {
  entries: readonly TypedEntry[]
  services: readonly TypedService[]
  problems: readonly SchemaProblem[]
}

/** Finds what becomes of the views; what is known of one that has not changed since is kept from one time to the next. */
export function createEntryFinder(): (
  catalog: DescribedCatalog,
  reserved: ReadonlySet<string>,
) => Promise<Entries> {
  let known = new Map<string, Kept>()

  function keptOf({ view, columns }: Described): Kept {
    const facts = factsOf(view)
    const before = known.get(view.id)
    return before !== undefined && before.facts === facts && isSame(before.columns, columns)
      ? before
      : { columns, facts, found: toEntry({ view, columns }) }
  }

  /** The oldest first: what came before keeps its names. */
  return async ({ views, services: all }, reserved) => {
    const taken = new Map([...reserved].map((name) => [name, 'the gateway’s own schema']))
    const kept = new Map<string, Kept>()
    const entries: TypedEntry[] = []
    const problems: SchemaProblem[] = []
    const breathe = createBreath()
    for (const each of views) {
      const own = keptOf(each)
      kept.set(each.view.id, own)
      problems.push(...own.found.leftOut)
      const problem = own.found.entry && takenFrom(own.found.entry, labelOf(each.view), taken)
      if (problem !== null) problems.push(problem)
      else if (own.found.entry !== null) entries.push(own.found.entry)
      await breathe()
    }
    known = kept
    const services: TypedService[] = []
    for (const { name, service, graphqlName } of all) {
      const found = toTypedService(name, service, graphqlName)
      const problem = 'problem' in found ? found : takenFrom(found, labelOfService(name), taken)
      if (problem !== null) problems.push(problem)
      else if ('service' in found) services.push(found)
    }
    return { entries, services, problems }
  }
}

function isSame(before: Kept['columns'], now: Kept['columns']): boolean {
  return before === now || JSON.stringify(before) === JSON.stringify(now)
}

/** What of the catalog may become types: views, and the newest version of each service. */
export interface DescribedCatalog {
  views: readonly Described[]
  services: readonly {
    id: string
    name: string
    service: FeatureService | AppError
    graphqlName: string | null
  }[]
}

interface Kept {
  columns: readonly Column[] | null
  facts: string
  found: Found
}

/** What a view's types are made of beside its columns. */
function factsOf({ record, key }: View): string {
  const { name, graphqlName, timestampColumn, createdColumn, description, owner, tags, featureNotes } = record
  return JSON.stringify([
    [name, graphqlName, timestampColumn, createdColumn, description, owner, tags, featureNotes],
    key.names,
    record.queryId,
    record.etlId,
  ])
}

/** Takes the entry's names, unless one of them is taken: then why. */
function takenFrom(
  { names }: Pick<TypedEntry, 'names'>,
  label: string,
  taken: Map<string, string>,
): SchemaProblem | null {
  const clash = names.find((name) => taken.has(name))
  if (clash === undefined) {
    for (const name of names) taken.set(name, label)
    return null
  }
  const problem = `${clash.replace(/^\./, 'the field ')} is taken by ${taken.get(clash)}`
  return { entry: label, feature: null, problem, cure: anotherName }
}
