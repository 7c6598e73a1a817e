// What is taken away over REST: DELETE of a saved query, an ETL, a dataset; and an entity, by a job.

import { z } from 'zod'
import type { Scope } from '../../access/scopes.ts'
import type { Services } from '../../schema/services.ts'
import { keyText } from '../../values/entity-key.ts'
import { answer, failures, idPattern, indexKey } from './bodies.ts'
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

const erasure = z
  .object({
    index_key: indexKey,
    index_value: z.union([z.string(), z.array(z.string()).min(1).transform(keyText)]).meta({
      description: 'Its value; of a key of several columns a list, with a value for each',
    }),
  })
  .meta({ id: 'ErasureRequest' })
const begun = z.object({ job_id: z.string() }).meta({ id: 'ErasureJob' })

export function addDeletions(app: RestServer, services: Services) {
  addErasure(app, services)
  const { deletions, training } = services
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

function addErasure(app: RestServer, { publishing }: Services) {
  app.post(
    '/entities/erase',
    {
      config: { access: 'erase' },
      schema: {
        tags: ['publish'],
        operationId: 'eraseEntity',
        summary: "Begins to take one entity's rows from every table that takes rows, and from online",
        body: erasure,
        response: {
          202: answer("The job goes on: GraphQL's publishJob(id) tells what has come of it", begun),
          ...failures,
        },
      },
    },
    async ({ body }, reply) => {
      const { id } = await publishing.eraseEntity({ indexKey: body.index_key, indexValue: body.index_value })
      return reply.status(202).send({ job_id: id })
    },
  )
}
