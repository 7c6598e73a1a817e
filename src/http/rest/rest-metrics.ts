// Counts and names what Fastify's routes answer, by the route as it is declared.

import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Operation, Operations } from '../../telemetry/operations.ts'
import { nameRoute } from '../graphql/operation-names.ts'
import { nameRequest } from '../server/traced-requests.ts'
import { failureCodes } from './rest-failures.ts'

/** `except` is the route whose operations are counted one by one. */
export function countRequests(
  app: FastifyInstance,
  { operations, except }: { operations: Operations; except: string },
) {
  function operationOf({ method, routeOptions: { url } }: FastifyRequest): Operation | null {
    return url === except ? null : operations.of(nameRoute(method, url ?? 'unknown'))
  }

  app.addHook('preHandler', (request, _reply, done) => {
    operationOf(request)?.nameRequest(nameRequest)
    done()
  })
  app.addHook('onResponse', (request, reply, done) => {
    operationOf(request)?.end(failureCodes.get(request) ?? null, performance.now() - reply.elapsedTime)
    done()
  })
}
