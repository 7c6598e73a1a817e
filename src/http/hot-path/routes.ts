// The hot path's routes: GraphQL by compiled operations, and the realtime lookups of REST.

import type { Logger } from 'pino'
import type { ErrorCode } from '../../errors.ts'
import { createAnswerBudget } from '../../schema/answer-budget.ts'
import { callerOf } from '../../schema/authorization.ts'
import type { Services } from '../../schema/services.ts'
import type { Operation, Operations } from '../../telemetry/operations.ts'
import { toByteText } from '../../values/byte-text.ts'
import { nameRoute } from '../graphql/operation-names.ts'
import type { Admission } from '../guards/admission.ts'
import { describeFailure, httpAnswerOf } from '../rest/failures.ts'
import { type LookupBody, lookupRoutes } from '../rest/lookups.ts'
import { describeRestFailure } from '../rest/rest-failures.ts'
import { nameRequest } from '../server/traced-requests.ts'
import type { HotPath, HotPathFacts } from './hot-path.ts'
import { negotiate } from './negotiation.ts'
import type { HotPathRoute, KnownRequest } from './router.ts'

const json = 'application/json; charset=utf-8'

export function createGraphQLRoute(hotPath: HotPath, admission: Pick<Admission, 'chargerOf'>): HotPathRoute {
  return {
    answer(body, { requester, identity, id }) {
      const contentType = negotiate(requester.headers)
      const startedAtMs = performance.now()
      const facts: HotPathFacts = { requestId: id, identity, charge: admission.chargerOf(requester) }
      const answer = contentType === null ? null : hotPath.answer(body, facts)
      if (answer === null) return null
      facts.operation?.nameRequest(nameRequest)
      return answer.then((text) => {
        facts.operation?.end(facts.failed ?? null, startedAtMs)
        return { status: 200, contentType: contentType ?? json, text }
      })
    },
    describe: ({ message, code, details }) => ({ errors: [{ message, extensions: { code, details } }] }),
  }
}

/** The lookups of REST whose bodies are plain: what has to be read with care is declined. */
export function createLookupRoutes(options: {
  services: Pick<Services, 'realtime'>
  admission: Pick<Admission, 'chargerOf'>
  operations: Operations
  log: Logger
}): [string, HotPathRoute][] {
  return lookupRoutes.map((route) => [
    route.path,
    createLookupRoute(route, {
      ...options,
      operation: options.operations.of(nameRoute('POST', route.path)),
    }),
  ])
}

function createLookupRoute(
  { path, lookUp }: (typeof lookupRoutes)[number],
  options: {
    services: Pick<Services, 'realtime'>
    admission: Pick<Admission, 'chargerOf'>
    operation: Operation
    log: Logger
  },
): HotPathRoute {
  const { services, admission, operation, log } = options
  async function answer(body: LookupBody, { id: requestId, identity, requester }: KnownRequest) {
    const startedAtMs = performance.now()
    let failed: ErrorCode | null = null
    try {
      const loading = {
        realtimeLoader: services.realtime.createLoader(callerOf(identity)),
        charge: admission.chargerOf(requester),
        answer: createAnswerBudget(),
      }
      return { status: 200, contentType: json, text: await lookUp(loading, body) }
    } catch (error) {
      const { code, message, details } = describeFailure(error, { requestId, log })
      failed = code
      const text = toByteText(JSON.stringify(describeRestFailure(code, message)))
      return { ...httpAnswerOf({ code, details }), contentType: json, text }
    } finally {
      operation.end(failed, startedAtMs)
    }
  }
  const [withEtl, many] = [path.startsWith('/extract'), path.endsWith('/many')]

  return {
    answer(body, requester) {
      const request = readBody(body, { withEtl, many })
      if (request === null) return null
      operation.nameRequest(nameRequest)
      return answer(request, requester)
    },
    describe: ({ code, message }) => describeRestFailure(code, message),
  }
}

/** Null for a body that the route's schema has to judge. */
function readBody(body: unknown, { withEtl, many }: { withEtl: boolean; many: boolean }): LookupBody | null {
  if (typeof body !== 'object' || body === null) return null
  const { query_id, index_key, index_value, index_values, etl_path } = body as Record<string, unknown>
  if (!isText(query_id) || !isText(index_key)) return null
  if (withEtl && !isText(etl_path)) return null
  const target = withEtl ? { query_id, index_key, etl_path: etl_path as string } : { query_id, index_key }
  if (many) return isTexts(index_values) ? { ...target, index_values } : null
  return typeof index_value === 'string' ? { ...target, index_value } : null
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !value.includes('\0')
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
