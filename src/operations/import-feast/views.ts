// Feast's feature views as saved queries and feature views in time.

import type { Gateway, ViewGiven } from './gateway.ts'
import type { FeastSource, FeastView, Registry } from './registry.ts'
import { type FileNames, fileNamesOf, LeftOut, relationOf } from './sources.ts'
import { composeStatement } from './statement.ts'
import { wordsOf } from './words.ts'

/** The entity that Feast gives a view that has none. */
const noEntity = '__dummy'

export function createViewImport({ entities, featureViews }: Registry, gateway: Gateway) {
  const joinKeys = new Map(entities.map(({ spec }) => [spec.name, spec.joinKey || spec.name]))
  const sources = featureViews.flatMap(({ spec }) => spec.batchSource ?? [])
  const files = fileNamesOf(sources)

  /** Rejects with LeftOut, and with what the gateway says against it. */
  return async (view: FeastView): Promise<void> => {
    const indexKeys = keysOf(view, joinKeys)
    const source = sourceOf(view)
    const given = describe(view, indexKeys, source)
    const sql = await statementOf({ view, source, given, files, gateway })
    const queryId = await queryOf(view.name, sql, gateway)
    await gateway.createView({ ...given, queryId })
  }
}

function keysOf({ entities }: FeastView, joinKeys: ReadonlyMap<string, string>): string[] {
  if (entities.every((name) => name === noEntity))
    throw new LeftOut('it has no entity, and a view here is asked by a key; give it one')
  return entities.map((name) => {
    const key = joinKeys.get(name)
    if (key !== undefined) return key
    throw new LeftOut(`the registry has no entity ${name}, so its join key is not known; apply it in Feast`)
  })
}

function sourceOf({ batchSource, featureTransformation }: FeastView): FeastSource {
  if (featureTransformation !== undefined)
    throw new LeftOut('it transforms its rows in Python; write that as SQL, or as an ETL')
  if (batchSource === undefined) throw new LeftOut('it has no batch source to train from')
  if (batchSource.timestampField === '')
    throw new LeftOut(`its source ${batchSource.name} has no timestamp_field; give it one`)
  return batchSource
}

function describe(view: FeastView, indexKeys: readonly string[], source: FeastSource): ViewGiven {
  const ttl = Number(view.ttl.slice(0, -1))
  if (!Number.isInteger(ttl)) throw new LeftOut(`its ttl is ${view.ttl}, and a view here has whole seconds`)
  const features = view.features.filter(({ description }) => description !== '')
  return {
    name: view.name,
    indexKeys,
    timestampColumn: source.timestampField,
    ...(source.createdTimestampColumn !== '' && { createdColumn: source.createdTimestampColumn }),
    ...(ttl > 0 && { eventTtlSeconds: ttl }),
    ...wordsOf(view),
    ...(features.length > 0 && {
      features: features.map(({ name, description }) => ({ feature: name, description })),
    }),
  }
}

interface Statement {
  view: FeastView
  source: FeastSource
  given: ViewGiven
  files: FileNames
  gateway: Gateway
}

async function statementOf({ view, source, given, files, gateway }: Statement): Promise<string> {
  const times = [given.timestampColumn, given.createdColumn ?? []].flat()
  const names = [...given.indexKeys, ...times, ...view.features.map(({ name }) => name)]
  return composeStatement(names, await relationOf(source, files, gateway), source)
}

/** The one that is there, where it is the same: to save it again would run it again. */
async function queryOf(name: string, sql: string, gateway: Gateway): Promise<string> {
  const { featureView, savedQuery } = await gateway.there(name)
  if (featureView !== null && featureView.query.sql !== sql)
    throw new LeftOut('a feature view of this name serves another query here; delete or rename it')
  const same = featureView?.query ?? (savedQuery?.sql === sql ? savedQuery : null)
  return (same ?? (await gateway.saveQuery(name, sql))).id
}
