// Views over queries that call as_of(): what they must say, and what stands for one where none was made.

import { createHash } from 'node:crypto'
import type { FeatureViewRecord, ViewTarget } from '../catalog/feature-views.ts'
import type { SavedQueryRecord } from '../catalog/saved-queries.ts'
import { AppError } from '../errors.ts'
import { keyLabel } from '../values/entity-key.ts'

type Asking = Pick<SavedQueryRecord, 'name' | 'asksForMoment'>

/** Throws BAD_USER_INPUT: its rows change while time passes, and what is online is of the moment that it was computed for. */
export function checkAsOfView(
  { name, asksForMoment }: Asking,
  { ttlSeconds, timestampColumn }: { ttlSeconds: number | null; timestampColumn?: string | null | undefined },
): void {
  if (!asksForMoment) return
  if (ttlSeconds === null)
    throw new AppError(
      'BAD_USER_INPUT',
      `The query ${name} calls as_of(), so that its rows change as time passes: say by ttlSeconds for how long an answer may be used before it is computed anew.`,
    )
  if (timestampColumn != null)
    throw new AppError(
      'BAD_USER_INPUT',
      `The query ${name} calls as_of(), which says by itself what was known when; leave timestampColumn out.`,
    )
}

const passing = 'asked_'

/** Whether it stands for a view that nobody has made: nothing is stored for it, and the catalog knows it not. */
export function isPassing(viewId: string): boolean {
  return viewId.startsWith(passing)
}

/** In place of a view on first use, which would have to say how long its answers may be used: each is computed when it is asked for. */
export function passingRecord(query: SavedQueryRecord, target: ViewTarget): FeatureViewRecord {
  const { etlId, indexKeys } = target
  const id = `${passing}${createHash('sha256').update(JSON.stringify(target)).digest('hex').slice(0, 40)}`
  return {
    id,
    name: `${query.name} v${query.version}, as of now`,
    queryId: query.id,
    etlId,
    indexKeys: [...indexKeys],
    indexKey: keyLabel(indexKeys),
    ttlSeconds: null,
    refreshEvery: null,
    createdColumn: null,
    lateness: '1h',
    timestampColumn: null,
    eventTtlSeconds: null,
    description: null,
    owner: null,
    tags: [],
    featureNotes: [],
    graphqlName: null,
    createdUntil: null,
    driftNote: null,
    refresh: 'FULL',
    refreshNote: null,
    tables: [],
    implicit: false,
    lastUsedAt: null,
    determinism: null,
    determinismNote: null,
    refreshedAt: null,
    refreshedVersion: null,
    watermark: null,
    createdAt: new Date(),
  }
}
