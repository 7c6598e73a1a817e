// What is taken away over REST: DELETE of a saved query, an ETL, a dataset.

import { z } from 'zod'
import type { Scope } from '../../access/scopes.ts'
import type { Services } from '../../schema/services.ts'
import { failures, idPattern } from './bodies.ts'
import type { RestServer } from './openapi.ts'

const params = z.object({ id: z.string().regex(idPattern) })

interface Route {
  url: string
  access: Scope
  tag: string
  operationId: string
  summary: string
  remove(id: string): Promise<void>
}

export function addDeletions(app: RestServer, { deletions, training }: Services) {
  const routes: Route[] = [
    {
      url: '/queries/:id',
      access: 'catalog:write',
      tag: 'query',
      operationId: 'deleteSavedQuery',
      summary: 'Takes a saved query from the catalog, unless something uses it',
      remove: deletions.deleteSavedQuery,
    },
    {
      url: '/etls/:id',
      access: 'catalog:write',
      tag: 'extract',
      operationId: 'deleteEtl',
      summary: 'Takes an ETL from the catalog, unless something uses it',
      remove: deletions.deleteEtl,
    },
    {
      url: '/datasets/:id',
      access: 'train',
      tag: 'datasets',
      operationId: 'deleteDataset',
      summary: 'Takes away a dataset with its files, unless it is still made',
      remove: training.delete,
    },
  ]
  for (const { url, access, tag, operationId, summary, remove } of routes) {
    const response = { 204: z.null().describe('It is gone'), ...failures }
    app.delete(
      url,
      { config: { access }, schema: { tags: [tag], operationId, summary, params, response } },
      async (request, reply) => {
        await remove(request.params.id)
        return reply.status(204).send(null)
      },
    )
  }
}
