// Vectors: the features of entities out of several views, by one read of the online store.

import type { Logger } from 'pino'
import { createBackground } from '../../concurrency/background.ts'
import { AppError } from '../../errors.ts'
import type { EtlEngine } from '../../etl/engine.ts'
import type { Events } from '../../events.ts'
import { type Transformed, transformRows } from '../../features/service-etl.ts'
import type { FeatureServices } from '../../features/services.ts'
import { type ByteText, toByteText, toText } from '../../values/byte-text.ts'
import { createRowEncoder } from '../../values/columns.ts'
import type { LookupAnswers, RealtimeResult, RealtimeSource } from '../result.ts'
import type { Realtime } from '../service.ts'
import type { ReadEntity } from './entities.ts'
import type { PlannedPart, VectorPlan, VectorsAsked } from './plan.ts'
import { createVectorPlans } from './plans.ts'

export interface VectorsRequest extends VectorsAsked {
  entities: readonly unknown[]
  /** The moment that is asked about; null for now. */
  asOf: Date | null
}

export interface FeatureVector {
  entity: unknown
  /** The JSON text of an object, in UTF-8. */
  features: ByteText
  /** In the order of the references; none where the entity itself is at fault. */
  views: readonly VectorPart[]
  /** What is wrong with the entity, or with what its ETL made of it. */
  error: AppError | null
}

export interface VectorPart {
  view: string
  status: RealtimeResult['status']
  source: RealtimeSource
  asOfMs: number | null
  /** Of a view in time when its row became true, in microseconds UTC. */
  eventTime: bigint | null
  error: AppError | null
}

export interface Vectors {
  /** One for each entity, in order: what fails of one takes none of the others. Rejects for what is asked of all. */
  get(request: VectorsRequest, charge?: (indexValues: number) => void): Promise<readonly FeatureVector[]>
  /** The names of a vector's features. */
  namesOf(asked: VectorsAsked): Promise<readonly string[]>
  close(): Promise<void>
}

export function createVectors(options: {
  services: FeatureServices
  realtime: Pick<Realtime, 'lookUpIn'>
  etlEngine: Pick<EtlEngine, 'runGroups'>
  events: Pick<Events, 'listen'>
  maxIndexValues: number
  log: Logger
}): Vectors {
  const { realtime, etlEngine, maxIndexValues } = options
  const background = createBackground(options)
  const plans = createVectorPlans({ ...options, background })

  function assertFew(entities: number, views: number) {
    if (entities * views <= maxIndexValues) return
    throw new AppError(
      'TOO_LARGE',
      `${entities} entities of ${views} views were asked for at once, ${entities * views} index values; at most ${maxIndexValues} are answered (MAX_INDEX_VALUES).`,
    )
  }

  async function transform(
    { through, nothing }: VectorPlan,
    vectors: readonly Joined[],
  ): Promise<FeatureVector[]> {
    if (through === null) return vectors.map(({ vector }) => vector)
    const asked = vectors.filter(({ vector }) => vector.error === null)
    const rows = asked.map(({ vector, cells }) => [
      ...cells,
      ...through.cellsOf(JSON.parse(toText(vector.features)) as Record<string, unknown>),
    ])
    const results = await transformRows(etlEngine, { ...through, rows })
    const resultOf = new Map(asked.map((joined, i) => [joined, results[i]]))
    return vectors.map((joined) => withEtl(joined.vector, resultOf.get(joined), nothing))
  }

  return {
    async get({ entities, asOf, ...asked }, charge) {
      const planned = plans.of(asked)
      const plan = planned instanceof Promise ? await planned : planned
      if (asOf !== null)
        throw new AppError(
          'BAD_USER_INPUT',
          'Features as of a moment are not answered here yet; make a training set of these entities.',
        )
      assertFew(entities.length, plan.parts.length)
      charge?.(entities.length * plan.parts.length)
      const read = entities.map(plan.readEntity)
      const good = read.filter((each): each is ReadEntity => !(each instanceof AppError))
      const answers =
        good.length === 0
          ? []
          : await realtime.lookUpIn(
              plan.parts.map(({ view, finding }) => ({
                view,
                indexValues: good.map(({ keys }) => keys[finding] ?? ''),
              })),
            )
      const join = createJoin(plan, answers)
      let next = 0
      const joined = read.map((each, i) =>
        each instanceof AppError ? failed(plan, entities[i], each) : join(entities[i], each, next++),
      )
      return transform(plan, joined)
    },
    async namesOf(asked) {
      return (await plans.of(asked)).names
    },
    async close() {
      plans.close()
      await background.close()
    },
  }
}

/** A vector before its ETL. */
interface Joined {
  vector: FeatureVector
  cells: ReadEntity['cells']
}

function failed(plan: VectorPlan, entity: unknown, error: AppError): Joined {
  return { vector: { entity, features: plan.nothing, views: [], error }, cells: [] }
}

function createJoin(plan: VectorPlan, answers: readonly LookupAnswers[]) {
  const { parts } = plan
  return (entity: unknown, { keys, cells }: ReadEntity, nth: number): Joined => {
    let features = '{'
    let error: AppError | null = null
    const views: VectorPart[] = []
    for (let p = 0; p < parts.length; p++) {
      const part = parts[p] as PlannedPart
      const answer =
        answers[p]?.[nth] ?? new AppError('INTERNAL', 'The lookup gave fewer results than it was asked for.')
      const { members, told } = readPart(part, answer, keys[part.finding] ?? '')
      features += p === 0 ? members : `,${members}`
      views.push(told)
      // An ETL is not given what is not known.
      if (plan.through !== null && told.error !== null) error ??= told.error
    }
    return { vector: { entity, features: `${features}}` as ByteText, views, error }, cells }
  }
}

function readPart({ view, picker }: PlannedPart, answer: RealtimeResult | AppError, key: string) {
  const name = view.record.name
  if (answer instanceof AppError) {
    const told: VectorPart = {
      view: name,
      status: 'FAILED',
      source: 'WAREHOUSE',
      asOfMs: null,
      eventTime: null,
      error: answer,
    }
    return { members: picker.nothing, told }
  }
  const { status, source, asOfMs, eventTime, error, rows } = answer
  const looked = { view: name, source, asOfMs, eventTime }
  const members = error === null ? picker.pick(rows) : picker.nothing
  if (members !== null) return { members, told: { ...looked, status, error } }
  const told: VectorPart = { ...looked, status: 'FAILED', error: moreRows(view, key) }
  return { members: picker.nothing, told }
}

function moreRows({ record, key }: PlannedPart['view'], value: string): AppError {
  return new AppError(
    'BAD_USER_INPUT',
    `The feature view ${record.name} has more rows than one where ${key.label} is ${JSON.stringify(value.slice(0, 80))}; a vector takes one. Group by ${key.label} in its query, or give the view a timestampColumn.`,
  )
}

function withEtl(
  vector: FeatureVector,
  result: Transformed | AppError | undefined,
  nothing: ByteText,
): FeatureVector {
  if (result === undefined) return { ...vector, features: nothing }
  if (result instanceof AppError) return { ...vector, features: nothing, error: result }
  const { columns, row } = result
  return { ...vector, features: row === null ? nothing : toByteText(createRowEncoder(columns)(row)) }
}
