// The warehouse's tables over REST.

import { z } from 'zod'
import { qualifiedName } from '../../publish/tables.ts'
import type { Services } from '../../schema/services.ts'
import { spellTable } from '../../sql/sql-text.ts'
import { answer, columns, failures } from './bodies.ts'
import type { RestServer } from './openapi.ts'

const table = z
  .object({
    name: z.string().describe('schema.name, as SQL has to write it'),
    kind: z.enum(['TABLE', 'VIEW', 'FILE']),
    columns,
    accepts_rows: z.boolean(),
    row_count: z.number().nullable().describe("The engine's estimate"),
    changed_at: z.string().nullable().describe('When a publish job that is still known last wrote to it'),
  })
  .meta({ id: 'Table' })
const listed = z.object({ tables: z.array(table) }).meta({ id: 'Tables' })

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
}
