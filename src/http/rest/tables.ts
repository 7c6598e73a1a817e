// The warehouse's tables over REST.

import { z } from 'zod'
import { parseTouchedKeys } from '../../publish/tables.ts'
import type { Services } from '../../schema/services.ts'
import { qualifiedName, spellTable } from '../../sql/sql-text.ts'
import { answer, columns, failures } from './bodies.ts'
import type { RestServer } from './openapi.ts'

const table = z
  .object({
    name: z.string().describe('schema.name, as SQL has to write it'),
    kind: z.enum(['TABLE', 'VIEW', 'FILE']),
    columns,
    accepts_rows: z.boolean(),
    row_count: z.number().nullable().describe("The engine's estimate"),
    changed_at: z.string().nullable().describe('Its last change that the gateway knows of'),
  })
  .meta({ id: 'Table' })
const listed = z.object({ tables: z.array(table) }).meta({ id: 'Tables' })

const notice = z
  .object({
    since: z.iso
      .datetime({ offset: true })
      .optional()
      .describe('What was written before has not changed (RFC 3339)'),
    keys: z
      .array(z.record(z.string(), z.unknown()))
      .optional()
      .meta({
        description: 'The keys of the rows that were touched; left out, any row may have changed',
        examples: [[{ user_id: 'u1' }]],
      }),
  })
  .nullish()
const noticed = z
  .object({ views: z.array(z.object({ id: z.string(), name: z.string(), refresh: z.string() })) })
  .meta({ id: 'TableNotice' })

export function addTables(app: RestServer, { tables }: Services) {
  app.get(
    '/tables',
    {
      config: { access: 'catalog:read' },
      schema: {
        tags: ['tables'],
        operationId: 'tables',
        summary: 'The tables that statements may read, by name',
        querystring: z.object({ search: z.string().optional().describe('Text within the name') }),
        response: { 200: answer('The tables, in the order of their names', listed), ...failures },
      },
    },
    async ({ query: { search } }) => {
      const [found, changes] = await Promise.all([tables.list(search), tables.changes()])
      return {
        tables: found.map((table) => ({
          name: spellTable(table),
          kind: table.kind,
          columns: table.columns.map(({ name, type, nullable }) => ({ name, type, nullable })),
          accepts_rows: table.intake !== undefined,
          row_count: table.rowEstimate,
          changed_at: changes.get(qualifiedName(table))?.toISOString() ?? null,
        })),
      }
    },
  )
  app.post(
    '/tables/:name/changed',
    {
      config: { access: 'publish' },
      schema: {
        tags: ['tables'],
        operationId: 'tableChanged',
        summary:
          'Others have written to the table: from the answer on no view of it serves as FRESH what was before',
        params: z.object({ name: z.string().min(1).describe('As GET /tables has it') }),
        body: notice,
        response: { 200: answer('The feature views that are materialized for it', noticed), ...failures },
      },
    },
    async ({ params, body }) => {
      const views = await tables.changed(params.name, {
        keys: parseTouchedKeys(body?.keys),
        since: body?.since === undefined ? null : new Date(body.since),
      })
      return { views: views.map(({ id, name, refresh }) => ({ id, name, refresh })) }
    },
  )
}
