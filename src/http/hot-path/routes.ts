// The hot path's routes: GraphQL by compiled operations, and the realtime lookups of REST.

import type { Logger } from 'pino'
import type { ErrorCode } from '../../errors.ts'
import { createAnswerBudget } from '../../schema/answer-budget.ts'
import { callerOf } from '../../schema/authorization.ts'
import type { Loading } from '../../schema/lookup-fields.ts'
import type { Services } from '../../schema/services.ts'
import type { Operations } from '../../telemetry/operations.ts'
import { type ByteText, toByteText } from '../../values/byte-text.ts'
import { nameRoute } from '../graphql/operation-names.ts'
import type { Admission } from '../guards/admission.ts'
import { describeFailure, httpAnswerOf } from '../rest/failures.ts'
import { feastPath } from '../rest/feast.ts'
import { type LookupBody, lookupRoutes } from '../rest/lookups.ts'
import { describeRestFailure } from '../rest/rest-failures.ts'
import { lookUpVectors, type VectorsBody, vectorsPath } from '../rest/vectors.ts'
import { nameRequest } from '../server/traced-requests.ts'
import { lookUpForFeast, readFeastBody } from './feast.ts'
import type { HotPath, HotPathFacts } from './hot-path.ts'
import { negotiate } from './negotiation.ts'
import { isPlainNumber, isText, isTexts } from './plain-bodies.ts'
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

/** What of REST is looked up, where its body is plain: what has to be read with care is declined. */
export function createLookupRoutes(options: {
  services: Pick<Services, 'realtime' | 'vectors'>
  admission: Pick<Admission, 'chargerOf'>
  operations: Operations
  log: Logger
}): [string, HotPathRoute][] {
  const lookups = lookupRoutes.map(({ path, lookUp }) => {
    const [withEtl, many] = [path.startsWith('/extract'), path.endsWith('/many')]
    return createRoute(options, { path, read: (body) => readBody(body, { withEtl, many }), answer: lookUp })
  })
  const vectors = createRoute(options, {
    path: vectorsPath,
    read: readVectorsBody,
    answer: (loading, body) => lookUpVectors(options.services.vectors, loading, body),
  })
  const feast = createRoute(options, {
    path: feastPath,
    read: readFeastBody,
    answer: (loading, body) => lookUpForFeast(options.services.vectors, loading, body),
  })
  return [...lookups, vectors, feast]
}

/** One of REST's routes, over bodies that `read` does not decline. */
function createRoute<Body>(
  {
    services,
    admission,
    operations,
    log,
  }: {
    services: Pick<Services, 'realtime'>
    admission: Pick<Admission, 'chargerOf'>
    operations: Operations
    log: Logger
  },
  route: {
    path: string
    read(body: unknown): Body | null
    answer(loading: Loading, body: Body): Promise<ByteText>
  },
): [string, HotPathRoute] {
  const operation = operations.of(nameRoute('POST', route.path))
  async function answer(body: Body, { id: requestId, identity, requester }: KnownRequest) {
    const startedAtMs = performance.now()
    let failed: ErrorCode | null = null
    try {
      const loading = {
        realtimeLoader: services.realtime.createLoader(callerOf(identity)),
        charge: admission.chargerOf(requester),
        answer: createAnswerBudget(),
      }
      return { status: 200, contentType: json, text: await route.answer(loading, body) }
    } catch (error) {
      const { code, message, details } = describeFailure(error, { requestId, log })
      failed = code
      const text = toByteText(JSON.stringify(describeRestFailure(code, message)))
      return { ...httpAnswerOf({ code, details }), contentType: json, text }
    } finally {
      operation.end(failed, startedAtMs)
    }
  }
  const made: HotPathRoute = {
    answer(body, requester) {
      const request = route.read(body)
      if (request === null) return null
      operation.nameRequest(nameRequest)
      return answer(request, requester)
    },
    describe: ({ code, message }) => describeRestFailure(code, message),
  }
  return [route.path, made]
}

/** Null for what is not just a service and entities of texts, truths and numbers that no reading has rounded. */
function readVectorsBody(body: unknown): VectorsBody | null {
  if (typeof body !== 'object' || body === null) return null
  const { service, entities, full_names = false, ...others } = body as Record<string, unknown>
  for (const _ in others) return null
  if (!isText(service) || typeof full_names !== 'boolean' || !Array.isArray(entities)) return null
  return entities.every(isPlainEntity) ? { service, entities, full_names } : null
}

function isPlainEntity(entity: unknown): boolean {
  if (typeof entity !== 'object' || entity === null || Array.isArray(entity)) return false
  for (const name in entity) {
    const value = (entity as Record<string, unknown>)[name]
    if (typeof value === 'string' || typeof value === 'boolean') continue
    if (typeof value !== 'number' || !isPlainNumber(value)) return false
  }
  return true
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
