// The catalog as GraphQL types: schemas that are made anew as its entries come, change and go, here or on another gateway.

import type { GraphQLSchema } from 'graphql'
import type { Logger } from 'pino'
import { listUses } from '../../catalog/entries.ts'
import type { Catalog } from '../../catalog/open.ts'
import { createBackground } from '../../concurrency/background.ts'
import { AppError } from '../../errors.ts'
import type { FeatureServices } from '../../features/services.ts'
import type { Realtime } from '../../realtime/service.ts'
import type { Vectors } from '../../realtime/vectors/vectors.ts'
import type { Training } from '../../training/service.ts'
import { holdSchema, type SchemaHolder } from '../held.ts'
import type { LookupFields } from '../lookup-fields.ts'
import {
  createEntryFinder,
  type DescribedCatalog,
  type Entries,
  type TypedEntry,
  type TypedService,
  type TypedState,
} from './entries.ts'
import { federationTypeNames } from './federation.ts'
import { createFollowing } from './following.ts'
import { createHistory } from './history.ts'
import { createLiveSchemas, type LiveSchemas, type Typed } from './live-schema.ts'
import { nameEntries } from './names-in-schema.ts'
import { changesBetween, describeWithout, type Named } from './removal.ts'
import { featureScalars } from './scalars.ts'
import { createSchemaTexts, type SchemaText, type SchemaTextRequest } from './schema-text.ts'

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
  /** The schema in force as SDL, or a part of it. */
  print(request: SchemaTextRequest): Promise<SchemaText>
  release(): void
}

/** Of one schema that is held. */
interface Build {
  build(found: Entries): Promise<void>
  schemas: LiveSchemas
}

/** A rebuild that failed is tried again after so long. */
const retryAfterMs = 1_000

export function createTypedCatalog(options: {
  catalog: Pick<Catalog, 'featureViews' | 'featureServices' | 'events'>
  realtime: Pick<Realtime, 'views' | 'columnsOf' | 'updates'>
  training: Pick<Training, 'features'>
  featureServices: FeatureServices
  vectors: Vectors
  maxIndexValues: number
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
      const { views: named, nameOf } = await nameEntries(catalog, { views, services: records, reserved })
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

  async function hold(base: GraphQLSchema, lookupFields: LookupFields) {
    reserved = reservedBy(base)
    const holder = holdSchema({ schema: base, lookupFields, typed: new Map(), services: new Map() })
    const following = createFollowing(options, holder)
    const schemas = createLiveSchemas(base, {
      sources: { ...following, answersAt, vectors: options.vectors },
      federation: {
        maxRepresentations: options.maxIndexValues,
        subgraphText: async () => (await texts.print({ tag: null, federation: true })).text,
      },
    })
    const texts = createSchemaTexts(holder, {
      part: (tag) => schemas.makePart(tagged(tag)),
      subgraph: (tag) => schemas.makeSubgraph(tag === null ? found : tagged(tag)),
    })
    let signatures: readonly string[] = []
    async function build({ entries, services }: Entries) {
      const now = [...entries, ...services].map(({ signature }) => signature)
      if (isSame(now, signatures)) return
      const schema = await schemas.make({ entries, services })
      holder.swap({ schema, lookupFields, typed: byName(entries), services: byName(services) })
      signatures = now
    }
    const own = { build, schemas }
    builds.add(own)
    await refreshed()
    return { holder, print: texts.print, release: () => void builds.delete(own) }
  }

  function tagged(tag: string): Typed {
    return {
      entries: found.entries.filter(({ view }) => view.record.tags.includes(tag)),
      services: found.services.filter(({ service }) => service.record.tags.includes(tag)),
    }
  }

  const endListening = catalog.events.listen('views', 'all', () =>
    background.run('Making the schema anew', refreshed),
  )

  return {
    problems: () => found.problems,
    refreshed,
    assertUnused(id) {
      const named =
        found.entries.find(({ view }) => view.id === id) ??
        found.services.find(({ service }) => service.record.id === id)
      const names = named === undefined ? [] : usersOf(named)
      if (named !== undefined && names.length > 0) throw stillUsed(named, names)
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

function stillUsed(named: TypedEntry | TypedService, names: readonly string[]): AppError {
  const { id, name } = 'view' in named ? named.view.record : named.service.record
  const called = `the feature ${'view' in named ? 'view' : 'service'} ${name} (${id})`
  return new AppError(
    'CONFLICT',
    `The field ${named.name} of ${called} is used by ${listUses(names)}. To delete it all the same, say force: true.`,
    { details: { users: names } },
  )
}

function byName<T extends { name: string }>(named: readonly T[]): ReadonlyMap<string, T> {
  return new Map(named.map((each) => [each.name, each]))
}

/** A service that cannot be put together keeps nothing else from being served. */
function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error
  throw error
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i])
}

/** What no entry may be called, nor its fields and types. */
function reservedBy(base: GraphQLSchema): ReadonlySet<string> {
  const types = Object.keys(base.getTypeMap())
  const fields = Object.keys(base.getSubscriptionType()?.getFields() ?? {}).map((name) => `.${name}`)
  return new Set([
    ...types,
    ...fields,
    'Features',
    ...federationTypeNames,
    'FieldSet',
    ...featureScalars.map(({ name }) => name),
  ])
}
