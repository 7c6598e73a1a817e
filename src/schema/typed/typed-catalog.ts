// The catalog as GraphQL types: schemas that are made anew as its entries come, change and go, here or on another gateway.

import type { GraphQLSchema } from 'graphql'
import type { Logger } from 'pino'
import type { FeatureServiceRecord } from '../../catalog/feature-services.ts'
import type { Catalog } from '../../catalog/open.ts'
import { createBackground } from '../../concurrency/background.ts'
import { AppError } from '../../errors.ts'
import { chooseName, namesTakenBy } from '../../features/names.ts'
import type { FeatureServices } from '../../features/services.ts'
import type { View } from '../../features/views.ts'
import type { Realtime } from '../../realtime/service.ts'
import type { Vectors } from '../../realtime/vectors/vectors.ts'
import type { Training } from '../../training/service.ts'
import { callerOf } from '../authorization.ts'
import { holdSchema, type SchemaHolder } from '../held.ts'
import type { LookupFields } from '../lookup-fields.ts'
import {
  createEntryFinder,
  type DescribedCatalog,
  type Entries,
  type TypedEntry,
  type TypedState,
} from './entries.ts'
import { untilGone } from './field-gone.ts'
import { createHistory } from './history.ts'
import { createLiveSchemas, guard, type LiveSchemas } from './live-schema.ts'
import { changesBetween, describeWithout, type Named } from './removal.ts'
import { featureScalars } from './scalars.ts'
import { createSchemaTexts, type SchemaText } from './schema-text.ts'
import { targetOfEntry } from './typed-lookups.ts'
import type { Follow } from './view-types.ts'

export interface TypedCatalog extends TypedState {
  /** Holds a schema made of this one and the catalog's entries, until it is released. */
  hold(base: GraphQLSchema, lookupFields: LookupFields): Promise<HeldTyped>
  /** Who relies on the fields and types of an entry is asked before it is taken away. */
  alsoUsedBy(users: TypedUsers): void
  close(): Promise<void>
}

/** The names of what uses an entry, in a message's words. */
export type TypedUsers = (entry: Named) => readonly string[]

export interface HeldTyped {
  holder: SchemaHolder
  /** The schema in force as SDL; with a tag, what is beneath `features` is the entries that have it. */
  print(tag: string | null): Promise<SchemaText>
  release(): void
}

/** Of one schema that is held. */
interface Build {
  build(found: Entries): Promise<void>
  schemas: LiveSchemas
}

/** A rebuild that failed is tried again after so long. */
const retryAfterMs = 1_000
/** Names in a message; the details have them all. */
const maxNamed = 10
/** What Apollo Federation calls its own. */
const federationNames = ['_Any', '_Entity', '_Service', 'FieldSet']

export function createTypedCatalog(options: {
  catalog: Pick<Catalog, 'featureViews' | 'featureServices' | 'events'>
  realtime: Pick<Realtime, 'views' | 'columnsOf' | 'updates'>
  training: Pick<Training, 'features'>
  featureServices: FeatureServices
  vectors: Vectors
  log: Logger
}): TypedCatalog {
  const { catalog, realtime } = options
  const log = options.log.child({ part: 'typed schema' })
  const background = createBackground({ log })
  const builds = new Set<Build>()
  const users: TypedUsers[] = []
  const findEntries = createEntryFinder()
  const answersAt = createHistory(options.training)
  let reserved: ReadonlySet<string> = new Set()
  let described: DescribedCatalog = { views: [], services: [] }
  let found: Entries = { entries: [], services: [], problems: [] }
  let underWay = Promise.resolve()
  let next: Promise<void> | null = null

  /** Calls that come while one is under way share the one after it. */
  function refreshed(): Promise<void> {
    next ??= underWay.then(() => {
      next = null
      underWay = refresh()
      return underWay
    })
    return next
  }

  async function refresh() {
    try {
      const views = (await realtime.views()).filter(({ record }) => !record.implicit)
      const records = await catalog.featureServices.newest()
      const { named, nameOf } = await nameAll(views, records)
      const columns = await Promise.all(named.map(realtime.columnsOf))
      const services = await Promise.all(
        records.map(async ({ id, name }) => ({
          id,
          name,
          service: await resolve(id),
          graphqlName: nameOf(name),
        })),
      )
      const now = { views: named.map((view, i) => ({ view, columns: columns[i] ?? null })), services }
      found = await findEntries(now, reserved)
      described = now
      await Promise.all([...builds].map(({ build }) => build(found)))
    } catch (error) {
      if (background.signal.aborted) return
      log.warn(
        { err: error },
        'The schema could not be made anew; the one in force stays, and it is tried again',
      )
      background.run('Making the schema anew', async () => {
        await background.pause(retryAfterMs)
        await refreshed()
      })
    }
  }

  const resolve = (id: string) => options.featureServices.resolve(id).catch(toAppError)

  const usersOf: TypedUsers = (entry) =>
    // Servers of one process may have the same documents.
    [...new Set(users.flatMap((each) => each(entry)))]

  /** What has a name keeps it; of what has none the oldest views choose first, then the oldest services. */
  async function nameAll(views: readonly View[], services: readonly FeatureServiceRecord[]) {
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
      const given =
        chosen === null ? graphqlName : take(await catalog.featureViews.nameForGraphQL(id, chosen))
      named.push({ ...view, record: { ...view.record, graphqlName: given } })
    }
    const names = new Map<string, string | null>()
    for (const { name, graphqlName } of services) {
      const chosen = graphqlName ?? choose(name)
      // Of a service that has its name a newer version may lack it.
      const given = chosen === null ? null : await catalog.featureServices.nameForGraphQL(name, chosen)
      names.set(name, take(given))
    }
    return { named, nameOf: (name: string) => names.get(name) ?? null }
  }

  async function hold(base: GraphQLSchema, lookupFields: LookupFields) {
    reserved = reservedBy(base)
    const holder = holdSchema({ schema: base, lookupFields, typed: new Map(), services: new Map() })
    const schemas = createLiveSchemas(base, { follow: followIn(holder), answersAt, vectors: options.vectors })
    let signature = ''
    async function build({ entries, services }: Entries) {
      const now = JSON.stringify([...entries, ...services].map((entry) => entry.signature))
      if (now === signature) return
      const schema = await schemas.make({ entries, services })
      holder.swap({ schema, lookupFields, typed: byName(entries), services: byName(services) })
      signature = now
    }
    const own = { build, schemas }
    builds.add(own)
    await refreshed()
    const texts = createSchemaTexts(holder, (tag) =>
      schemas.makePart({
        entries: found.entries.filter(({ view }) => view.record.tags.includes(tag)),
        services: found.services.filter(({ service }) => service.record.tags.includes(tag)),
      }),
    )
    return { holder, print: texts.print, release: () => void builds.delete(own) }
  }

  /** Until the field is another, or gone. */
  function followIn(holder: SchemaHolder): Follow {
    return (entry, key, context, info) => {
      guard(context, info)
      const target = targetOfEntry(entry)
      return untilGone(realtime.updates(target, key, callerOf(context.identity)), entry.name, (onGone) =>
        holder.onSwap(({ typed }) => {
          if (typed.get(entry.name)?.shape !== entry.shape) onGone()
        }),
      )
    }
  }

  const endListening = catalog.events.listen('views', 'all', () =>
    background.run('Making the schema anew', refreshed),
  )

  return {
    problems: () => found.problems,
    refreshed,
    assertUnused(viewId) {
      const entry = found.entries.find(({ view }) => view.id === viewId)
      const names = entry === undefined ? [] : usersOf(entry)
      if (entry !== undefined && names.length > 0) throw stillUsed(entry, names)
    },
    async changesWithout(removal) {
      const [held] = builds
      if (held === undefined) throw new Error('No schema is held')
      const before = found
      const left = await describeWithout(described, removal, {
        newest: catalog.featureServices.newest,
        resolve,
      })
      const after = await findEntries(left, reserved)
      return changesBetween(before, after, { makePart: held.schemas.makePart, usersOf })
    },
    hold,
    alsoUsedBy: (added) => void users.push(added),
    async close() {
      endListening()
      await background.close()
      await underWay
    },
  }
}

function stillUsed({ name, view: { id, record } }: TypedEntry, names: readonly string[]): AppError {
  return new AppError(
    'CONFLICT',
    `The field ${name} of the feature view ${record.name} (${id}) is used by ${names.slice(0, maxNamed).join('; ')}${names.length > maxNamed ? ` and ${names.length - maxNamed} more` : ''}. To delete it all the same, say force: true.`,
    { details: { users: names } },
  )
}

function byName<Entry extends { name: string }>(entries: readonly Entry[]): ReadonlyMap<string, Entry> {
  return new Map(entries.map((entry) => [entry.name, entry]))
}

/** A service that cannot be put together keeps nothing else from being served. */
function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error
  throw error
}

/** What no entry may be called, nor its fields and types. */
function reservedBy(base: GraphQLSchema): ReadonlySet<string> {
  const types = Object.keys(base.getTypeMap())
  const fields = Object.keys(base.getSubscriptionType()?.getFields() ?? {}).map((name) => `.${name}`)
  return new Set([
    ...types,
    ...fields,
    'Features',
    ...federationNames,
    ...featureScalars.map(({ name }) => name),
  ])
}
