// The GraphQL names of the catalog's entries: those that have one keep it, the others choose, and what they have chosen is kept.

import type { FeatureServiceRecord } from '../../catalog/feature-services.ts'
import type { Catalog } from '../../catalog/open.ts'
import { chooseName, namesTakenBy } from '../../features/names.ts'
import type { View } from '../../features/views.ts'

export interface NamedEntries {
  /** In the order that they came in, each with its name. */
  views: readonly View[]
  /** Of a service, by its name in the catalog. */
  nameOf(service: string): string | null
}

/** Of what has no name the oldest views choose first, then the oldest services. */
export async function nameEntries(
  { featureViews, featureServices }: Pick<Catalog, 'featureViews' | 'featureServices'>,
  {
    views,
    services,
    reserved,
  }: {
    views: readonly View[]
    services: readonly FeatureServiceRecord[]
    reserved: ReadonlySet<string>
  },
): Promise<NamedEntries> {
  const taken = new Set(reserved)
  const take = (name: string | null) => {
    for (const each of name === null ? [] : namesTakenBy(name)) taken.add(each)
    return name
  }
  const choose = (name: string) => chooseName(name, (each) => taken.has(each))
  for (const { graphqlName } of [...views.map(({ record }) => record), ...services]) take(graphqlName)
  const named: View[] = []
  for (const view of views) {
    const { id, name, graphqlName } = view.record
    const chosen = graphqlName === null ? choose(name) : null
    const given = chosen === null ? graphqlName : take(await featureViews.nameForGraphQL(id, chosen))
    named.push(given === graphqlName ? view : { ...view, record: { ...view.record, graphqlName: given } })
  }
  const names = new Map<string, string | null>()
  for (const { name, graphqlName } of services) {
    const chosen = graphqlName === null ? choose(name) : null
    const given = chosen === null ? graphqlName : take(await featureServices.nameForGraphQL(name, chosen))
    names.set(name, given)
  }
  return { views: named, nameOf: (name) => names.get(name) ?? null }
}
