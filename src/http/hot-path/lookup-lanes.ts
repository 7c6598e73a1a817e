// The lane's routes: GraphQL by compiled plans, and the two realtime lookups over REST.

import type { Logger } from 'pino'
import type { ErrorCode } from '../../errors.ts'
import type { LookupTarget } from '../../realtime/service.ts'
import { callerOf } from '../../schema/authorization.ts'
import type { Services } from '../../schema/services.ts'
import type { Operation, Operations } from '../../telemetry/operations.ts'
import { toByteText } from '../../values/byte-text.ts'
import { nameRoute } from '../graphql/operation-names.ts'
import type { Admission } from '../guards/admission.ts'
import { describeFailure, httpAnswerOf } from '../rest/failures.ts'
import { encodeLookup } from '../rest/rest.ts'
import { describeRestFailure } from '../rest/rest-failures.ts'
import { nameRequest } from '../server/traced-requests.ts'
import type { HotPath, HotPathFacts } from './hot-path.ts'
import type { KnownRequest, LaneRoute } from './lane.ts'
import { negotiate } from './negotiation.ts'

const json = 'application/json; charset=utf-8'

export function createGraphQLLane(hotPath: HotPath, admission: Pick<Admission, 'chargerOf'>): LaneRoute {
  return {
    answer(body, { asker, identity, id }) {
      const contentType = negotiate(asker.headers)
      const startedAtMs = performance.now()
      const facts: HotPathFacts = { requestId: id, identity, charge: admission.chargerOf(asker) }
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

export function createLookupLanes(options: {
  services: Pick<Services, 'realtime'>
  operations: Operations
  log: Logger
}): [string, LaneRoute][] {
  const lane = (path: string, withEtl: boolean): [string, LaneRoute] => {
    const operation = options.operations.of(nameRoute('POST', path))
    return [path, createLookupLane(withEtl, { ...options, operation })]
  }
  return [lane('/query/realtime', false), lane('/extract/realtime', true)]
}

function createLookupLane(
  withEtl: boolean,
  { services, operation, log }: { services: Pick<Services, 'realtime'>; operation: Operation; log: Logger },
): LaneRoute {
  async function lookUp(target: LookupTarget, value: string, { id: requestId, identity }: KnownRequest) {
    const startedAtMs = performance.now()
    let failed: ErrorCode | null = null
    try {
      const [result] = await services.realtime.createLoader(callerOf(identity)).load(target, [value])
      return { status: 200, contentType: json, text: encodeLookup(result) }
    } catch (error) {
      const { code, message, details } = describeFailure(error, { requestId, log })
      failed = code
      const text = toByteText(JSON.stringify(describeRestFailure(code, message)))
      return { ...httpAnswerOf({ code, details }), contentType: json, text }
    } finally {
      operation.end(failed, startedAtMs)
    }
  }

  return {
    answer(body, requester) {
      const request = readRequest(body, withEtl)
      if (request === null) return null
      operation.nameRequest(nameRequest)
      return lookUp(request.target, request.value, requester)
    },
    describe: ({ code, message }) => describeRestFailure(code, message),
  }
}

/** Null for a body that the route's schema has to judge. */
function readRequest(body: unknown, withEtl: boolean): { target: LookupTarget; value: string } | null {
  if (typeof body !== 'object' || body === null) return null
  const {
    query_id: queryId,
    index_key: indexKey,
    index_value: value,
    etl_path: etlPath,
  } = body as Record<string, unknown>
  if (!isText(queryId) || !isText(indexKey) || typeof value !== 'string') return null
  if (!withEtl) return { target: { queryId, etlPath: null, indexKey }, value }
  return isText(etlPath) ? { target: { queryId, etlPath, indexKey }, value } : null
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
