// The lane's routes: GraphQL by compiled plans, and the two realtime lookups over REST.

import type { Logger } from 'pino'
import { toByteText } from '../../byte-text.ts'
import { httpStatusByCode } from '../../errors.ts'
import type { LookupTarget } from '../../realtime/service.ts'
import type { Services } from '../../schema/services.ts'
import type { Admission } from '../admission.ts'
import { describeFailure } from '../failures.ts'
import { encodeLookup } from '../rest.ts'
import { describeRestFailure } from '../rest-failures.ts'
import type { HotPath } from './hot-path.ts'
import type { LaneRoute } from './lane.ts'
import { negotiate } from './negotiation.ts'

const json = 'application/json; charset=utf-8'

export function createGraphQLLane(hotPath: HotPath, admission: Pick<Admission, 'chargerOf'>): LaneRoute {
  return (body, { headers, id, raw }) => {
    const contentType = negotiate(headers)
    const facts = { requestId: id, charge: admission.chargerOf(raw) }
    const answer = contentType === null ? null : hotPath.answer(body, facts)
    return answer?.then((text) => ({ status: 200, contentType: contentType ?? json, text })) ?? null
  }
}

export function createLookupLanes(options: {
  services: Pick<Services, 'realtime'>
  log: Logger
}): [string, LaneRoute][] {
  return [
    ['/query/realtime', createLookupLane(false, options)],
    ['/extract/realtime', createLookupLane(true, options)],
  ]
}

function createLookupLane(
  withEtl: boolean,
  { services, log }: { services: Pick<Services, 'realtime'>; log: Logger },
): LaneRoute {
  async function answer(target: LookupTarget, value: string, requestId: string) {
    try {
      const [result] = await services.realtime.lookup(target, [value])
      return { status: 200, contentType: json, text: encodeLookup(result) }
    } catch (error) {
      const { code, message } = describeFailure(error, { requestId, log })
      const text = toByteText(JSON.stringify(describeRestFailure(code, message)))
      return { status: httpStatusByCode[code], contentType: json, text }
    }
  }

  return (body, { id }) => {
    const request = readRequest(body, withEtl)
    return request && answer(request.target, request.value, id)
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
