// What the typed schema would lose or change if a view or a service went from the catalog: nothing is changed for the answer.

import type { FeatureServices } from '../../catalog/feature-services.ts'
import { AppError } from '../../errors.ts'
import type { FeatureService } from '../../features/services.ts'
import { findChanges, type Removal, type RemovalChange, type SchemaChange } from '../changes.ts'
import type { DescribedCatalog, Entries, TypedEntry } from './entries.ts'
import type { LiveSchemas } from './live-schema.ts'

/** What has a name in the schema, or would have. */
export type Named = Pick<TypedEntry, 'name' | 'typeName' | 'names'>

/** Those of one side that the other does not have as they are, and one of what stays: the field `features` goes with the last. */
export async function changesBetween(
  before: Entries,
  after: Entries,
  { makePart, usersOf }: Pick<LiveSchemas, 'makePart'> & { usersOf: (entry: Named) => readonly string[] },
): Promise<RemovalChange[]> {
  const [lost, gained] = [without(before, signaturesOf(after)), without(after, signaturesOf(before))]
  const stays = without(before, signaturesOf(lost))
  const shared = {
    entries: stays.entries.slice(0, 1),
    services: stays.entries.length > 0 ? [] : stays.services.slice(0, 1),
  }
  const changes = await findChanges(makePart(together(lost, shared)), makePart(together(gained, shared)))
  const used = [...lost.entries, ...lost.services].map((entry) => ({ entry, users: usersOf(entry) }))
  return changes.map((change) => ({
    ...change,
    usedBy: used.find(({ entry }) => isOf(change, entry))?.users ?? [],
  }))
}

type Typed = Pick<Entries, 'entries' | 'services'>

function without({ entries, services }: Typed, signatures: ReadonlySet<string>): Typed {
  return {
    entries: entries.filter(({ signature }) => !signatures.has(signature)),
    services: services.filter(({ signature }) => !signatures.has(signature)),
  }
}

function signaturesOf({ entries, services }: Typed): ReadonlySet<string> {
  return new Set([...entries, ...services].map(({ signature }) => signature))
}

function together(some: Typed, more: Typed): Typed {
  return {
    entries: [...some.entries, ...more.entries],
    services: [...some.services, ...more.services],
  }
}

function isOf({ path }: SchemaChange, { names }: Named): boolean {
  const [type = '', field] = path?.split('.') ?? []
  const isRoot = type === 'Features' || type === 'Subscription'
  return names.includes(isRoot ? `.${field}` : type)
}

/** The catalog as it would be described: a service that takes features of the view goes with it, and an earlier version takes a service's place. */
export async function describeWithout(
  { views, services }: DescribedCatalog,
  { viewId, serviceId }: Removal,
  {
    newest,
    resolve,
  }: Pick<FeatureServices, 'newest'> & { resolve: (id: string) => Promise<FeatureService | AppError> },
): Promise<DescribedCatalog> {
  const left: DescribedCatalog['services'][number][] = []
  for (const each of services) {
    if (viewId !== null && takesFrom(each.service, viewId)) continue
    if (each.id !== serviceId) left.push(each)
    else {
      const earlier = (await newest({ without: each.id })).find(({ name }) => name === each.name)
      if (earlier === undefined) continue
      const service = await resolve(earlier.id)
      if (viewId === null || !takesFrom(service, viewId)) left.push({ ...each, id: earlier.id, service })
    }
  }
  return { views: views.filter(({ view }) => view.id !== viewId), services: left }
}

function takesFrom(service: FeatureService | AppError, viewId: string): boolean {
  return !(service instanceof AppError) && service.references.some(({ view }) => view.id === viewId)
}
