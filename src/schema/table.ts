// WarehouseTable: a table, a database view or a mounted file that statements may read; listed, found and made.

import { type DefaultConnectionArguments, resolveCursorConnection } from '@pothos/plugin-relay'
import { z } from 'zod'
import { parseTouchedKeys } from '../publish/tables.ts'
import { qualifiedName, spellTable } from '../sql/sql-text.ts'
import type { WarehouseTable } from '../warehouse/port.ts'
import { tableReaders } from './authorization.ts'
import { type Builder, pageSize } from './builder.ts'
import type { ColumnInputRef } from './column.ts'
import type { Context } from './context.ts'
import { newestFirst } from './listing.ts'
import type { Services } from './services.ts'

export function addTable(builder: Builder, services: Services, columnInput: ColumnInputRef) {
  addType(builder, services)
  addListing(builder, services)
  addNotice(builder, services)

  builder.mutationField('createTable', (t) =>
    t.field({
      type: 'WarehouseTable',
      description:
        'Makes a table that rows can be written to, and its schema where that is missing. One that is there already with these columns is answered; one that differs is a CONFLICT.',
      authScopes: { publish: true },
      args: {
        name: t.arg.string({
          required: true,
          description: 'In feature_store unless it says otherwise: `orders`, `sales.orders`.',
        }),
        columns: t.arg({ type: [columnInput], required: true }),
      },
      resolve: (_root, { name, columns }) =>
        services.tables.create(
          name,
          columns.map(({ nullable, storage, ...column }) => ({
            ...column,
            nullable: nullable ?? true,
            storage: storage ?? undefined,
          })),
        ),
    }),
  )
}

function addNotice(builder: Builder, services: Services) {
  builder.mutationField('tableChanged', (t) =>
    t.prismaField({
      type: ['FeatureView'],
      description:
        'Others have written to a table: from the answer on no view of it serves as FRESH what was before. Answers with the views that are materialized for it: those by key, where `keys` tells which rows were touched, before it answers, others after.',
      authScopes: { publish: true },
      args: {
        table: t.arg.string({ required: true, validate: z.string().min(1) }),
        since: t.arg({
          type: 'DateTime',
          description:
            'What was written before has not changed: views with a `createdColumn` compute the keys of rows that were written since alone.',
        }),
        keys: t.arg({
          type: 'JSON',
          description:
            'The keys of the rows that were written, changed or taken away, as a list of objects: [{"user_id": "u1"}]. Left out: any row may have changed.',
        }),
      },
      resolve: async (query, _root, { table, keys, since }) => {
        const changed = await services.tables.changed(table, {
          keys: parseTouchedKeys(keys),
          since: since ?? null,
        })
        const ids = changed.map(({ id }) => id)
        return services.catalog.prisma.featureView.findMany({
          ...query,
          where: { id: { in: ids } },
          orderBy: newestFirst,
        })
      },
    }),
  )
}

function addType(builder: Builder, services: Services) {
  const kind = builder.enumType('TableKind', {
    description: 'What statements read under a name.',
    values: {
      TABLE: {},
      VIEW: { description: 'A view of the database.' },
      FILE: {
        description:
          'A file or folder of files that WAREHOUSE_FILES mounts, as it is now; what no table is made of the log says at the start, and the doctor.',
      },
    } as const,
  })

  /** Asked once for each operation. */
  const changes = new WeakMap<Context, ReturnType<Services['tables']['changes']>>()
  const changedAt = async (table: WarehouseTable, context: Context) => {
    const known = changes.get(context) ?? services.tables.changes()
    changes.set(context, known)
    return (await known).get(qualifiedName(table)) ?? null
  }

  builder.objectType('WarehouseTable', {
    description: 'What statements may read: a table, a view, a mounted file.',
    authScopes: tableReaders,
    fields: (t) => ({
      name: t.string({ description: 'schema.name, as SQL has to write it.', resolve: spellTable }),
      kind: t.expose('kind', { type: kind }),
      columns: t.expose('columns', { type: ['Column'] }),
      acceptsRows: t.boolean({
        description: 'Whether ingest may write to it.',
        resolve: ({ intake }) => intake !== undefined,
      }),
      rowCount: t.field({
        type: 'BigInt',
        nullable: true,
        description: "The engine's estimate; null where it has none.",
        resolve: ({ rowEstimate }) => (rowEstimate === null ? null : BigInt(rowEstimate)),
      }),
      changedAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'Its last change that the gateway knows of.',
        resolve: (table, _args, context) => changedAt(table, context),
      }),
      featureViews: t.prismaField({
        type: ['FeatureView'],
        description: 'The feature views that read it.',
        complexity: { field: 1, multiplier: 5 },
        resolve: (query, table) =>
          services.catalog.prisma.featureView.findMany({
            ...query,
            where: { tables: { has: qualifiedName(table) } },
            orderBy: newestFirst,
          }),
      }),
    }),
  })
}

function addListing(builder: Builder, services: Services) {
  builder.queryField('tables', (t) =>
    t.connection(
      {
        type: 'WarehouseTable',
        description: 'The tables that statements may read, by name.',
        authScopes: tableReaders,
        args: { search: t.arg.string({ description: 'Text within the name, in any case.' }) },
        resolve: async (_root, args) => {
          const all = await services.tables.list(args.search)
          const connection = await pageOf(all, args)
          return { ...connection, totalCount: all.length }
        },
      },
      {
        name: 'WarehouseTableConnection',
        fields: (fields) => ({ totalCount: fields.int({ resolve: ({ totalCount }) => totalCount }) }),
      },
      { name: 'WarehouseTableEdge' },
    ),
  )

  builder.queryField('table', (t) =>
    t.field({
      type: 'WarehouseTable',
      nullable: true,
      description: 'One table, by its name; schema feature_store need not be named.',
      authScopes: tableReaders,
      args: { name: t.arg.string({ required: true, validate: z.string().min(1) }) },
      resolve: (_root, { name }) => services.tables.find(name),
    }),
  )
}

/** Cursors are names: what comes or goes meanwhile shifts no page. */
function pageOf(all: readonly WarehouseTable[], args: DefaultConnectionArguments) {
  return resolveCursorConnection<WarehouseTable[]>(
    { args, defaultSize: pageSize.usual, maxSize: pageSize.largest, toCursor: (table) => spellTable(table) },
    ({ before, after, limit, inverted }) => {
      const among = all.filter((table) => {
        const name = spellTable(table)
        return (after === undefined || name > after) && (before === undefined || name < before)
      })
      return (inverted ? among.reverse() : among).slice(0, limit)
    },
  )
}
