// The catalog as GraphQL types: schemas that are made anew as its entries come, change and go, here or on another gateway.

import type { GraphQLSchema } from 'graphql'
import type { Logger } from 'pino'
import type { Catalog } from '../../catalog/open.ts'
import { createBackground } from '../../concurrency/background.ts'
import { AppError } from '../../errors.ts'
import { chooseName, namesTakenBy } from '../../features/names.ts'
import type { View } from '../../features/views.ts'
import type { Realtime } from '../../realtime/service.ts'
import { callerOf } from '../authorization.ts'
import { holdSchema, type SchemaHolder } from '../held.ts'
import type { LookupFields } from '../lookup-fields.ts'
import { createEntryFinder, type Entries, type TypedEntry, type TypedState } from './entries.ts'
import { untilGone } from './field-gone.ts'
import { createLiveSchemas, guard } from './live-schema.ts'
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
export type TypedUsers = (entry: TypedEntry) => readonly string[]

export interface HeldTyped {
  holder: SchemaHolder
  /** The schema in force as SDL; with a tag, what is beneath `features` is the entries that have it. */
  print(tag: string | null): Promise<SchemaText>
  release(): void
}

/** A rebuild that failed is tried again after so long. */
const retryAfterMs = 1_000
/** Names in a message; the details have them all. */
const maxNamed = 10
/** What Apollo Federation calls its own. */
const federationNames = ['_Any', '_Entity', '_Service', 'FieldSet']

export function createTypedCatalog(options: {
  catalog: Pick<Catalog, 'featureViews' | 'events'>
  realtime: Pick<Realtime, 'views' | 'columnsOf' | 'updates'>
  log: Logger
}): TypedCatalog {
  const { catalog, realtime } = options
  const log = options.log.child({ part: 'typed schema' })
  const background = createBackground({ log })
  const builds = new Set<(found: Entries) => Promise<void>>()
  const users: TypedUsers[] = []
  const findEntries = createEntryFinder()
  let reserved: ReadonlySet<string> = new Set()
  let found: Entries = { entries: [], problems: [] }
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
      const named = await nameAll(views)
      const columns = await Promise.all(named.map(realtime.columnsOf))
      found = await findEntries(
        named.map((view, i) => ({ view, columns: columns[i] ?? null })),
        reserved,
      )
      await Promise.all([...builds].map((build) => build(found)))
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

  /** The oldest choose first, and what has a name keeps it. */
  async function nameAll(views: readonly View[]): Promise<View[]> {
    const taken = new Set(reserved)
    const take = (name: string | null) => {
      for (const each of name === null ? [] : namesTakenBy(name)) taken.add(each)
    }
    for (const { record } of views) take(record.graphqlName)
    const named: View[] = []
    for (const view of views) {
      const { record } = view
      const chosen = record.graphqlName ?? chooseName(record.name, (name) => taken.has(name))
      const graphqlName =
        record.graphqlName === null && chosen !== null
          ? await catalog.featureViews.nameForGraphQL(view.id, chosen)
          : chosen
      take(graphqlName)
      named.push({ ...view, record: { ...record, graphqlName } })
    }
    return named
  }

  async function hold(base: GraphQLSchema, lookupFields: LookupFields) {
    reserved = reservedBy(base)
    const holder = holdSchema({ schema: base, lookupFields, typed: new Map() })
    const schemas = createLiveSchemas(base, followIn(holder))
    let signature = ''
    async function build({ entries }: Entries) {
      const now = JSON.stringify(entries.map((entry) => entry.signature))
      if (now === signature) return
      const schema = await schemas.make(entries)
      holder.swap({ schema, lookupFields, typed: new Map(entries.map((entry) => [entry.name, entry])) })
      signature = now
    }
    builds.add(build)
    await refreshed()
    const texts = createSchemaTexts(holder, (tag) =>
      schemas.makePart(
        [...holder.current.typed.values()].filter(({ view }) => view.record.tags.includes(tag)),
      ),
    )
    return { holder, print: texts.print, release: () => void builds.delete(build) }
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
      // Servers of one process may have the same documents.
      const names = entry === undefined ? [] : [...new Set(users.flatMap((usersOf) => usersOf(entry)))]
      if (entry !== undefined && names.length > 0) throw stillUsed(entry, names)
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
