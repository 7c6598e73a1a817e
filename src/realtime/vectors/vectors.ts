// Vectors: the features of entities out of several views, by one read of the online store.

import type { Logger } from 'pino'
import { createBackground } from '../../concurrency/background.ts'
import { mapWithBreaths } from '../../concurrency/breath.ts'
import { AppError } from '../../errors.ts'
import type { EtlEngine } from '../../etl/engine.ts'
import type { Events } from '../../events.ts'
import type { Transformed } from '../../features/service-etl.ts'
import type { FeatureServices } from '../../features/services.ts'
import { type ByteText, toByteText, toText } from '../../values/byte-text.ts'
import { createRowEncoder, type Row } from '../../values/columns.ts'
import type { RealtimeLoader } from '../loader.ts'
import type { LookupAnswers, RealtimeResult } from '../result.ts'
import type { Realtime } from '../service.ts'
import type { ReadEntity } from './entities.ts'
import { createTeller, type Teller, type VectorPart } from './parts.ts'
import { type FeaturesAt, type Past, readPast } from './past.ts'
import type { PlannedPart, Through, VectorPlan, VectorsAsked } from './plan.ts'
import { createVectorPlans } from './plans.ts'
import { createThroughEtl } from './through-etl.ts'

export interface VectorsRequest extends VectorsAsked {
  entities: readonly unknown[]
  /** The moment that is asked about, in microseconds UTC; null for now. */
  asOf: bigint | null
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

/** On whose behalf. */
export interface Asking {
  charge?: ((indexValues: number) => void) | undefined
  /** Of the operation, where it looks up more than these. */
  realtimeLoader?: RealtimeLoader
}

export interface Vectors {
  /** One for each entity, in order: what fails of one takes none of the others. Rejects for what is asked of all. */
  get(request: VectorsRequest, asking: Asking): Promise<readonly FeatureVector[]>
  /** What a vector's features are named, and which of its views each is of: null for what an ETL gives. */
  describe(asked: VectorsAsked): Promise<Pick<VectorPlan, 'names' | 'partOf'>>
  close(): Promise<void>
}

export function createVectors(options: {
  services: FeatureServices
  realtime: Pick<Realtime, 'lookUpIn'>
  etlEngine: Pick<EtlEngine, 'runGroups'>
  featuresAt: FeaturesAt
  events: Pick<Events, 'listen'>
  maxIndexValues: number
  log: Logger
}): Vectors {
  const { realtime, featuresAt, maxIndexValues } = options
  const throughEtl = createThroughEtl(options.etlEngine)
  const background = createBackground(options)
  const plans = createVectorPlans({ ...options, background })

  function assertFew(entities: number, views: number) {
    if (entities * views <= maxIndexValues) return
    throw new AppError(
      'TOO_LARGE',
      `${entities} entities of ${views} views were asked for at once, ${entities * views} index values; at most ${maxIndexValues} are answered (MAX_INDEX_VALUES).`,
    )
  }

  async function transform({ through, nothing }: VectorPlan, vectors: readonly Joined[]) {
    if (through === null) return vectors.map(({ vector }) => vector)
    const asked = vectors.filter(({ vector }) => vector.error === null)
    const rows = asked.map(({ cells }) => cells())
    const results = await throughEtl(through, rows)
    const resultOf = new Map(asked.map((joined, i) => [joined, results[i]]))
    return vectors.map((joined) => withEtl(joined.vector, resultOf.get(joined), { through, nothing }))
  }

  async function joinNow(
    plan: VectorPlan,
    good: readonly ReadEntity[],
    operation: RealtimeLoader | null,
  ): Promise<Join> {
    if (good.length === 0) return createJoin(plan, [])
    const wanted = plan.parts.map(({ view, finding }) => ({
      view,
      indexValues: good.map(({ keys }) => keys[finding] ?? ''),
    }))
    return createJoin(plan, await realtime.lookUpIn(wanted, operation))
  }

  /** Out of history, as a training set is made. */
  async function joinAt(plan: VectorPlan, good: readonly ReadEntity[], moment: bigint): Promise<Join> {
    const { references, indexKeys } = plan
    const rows = good.map(({ cells }) => cells().slice(0, indexKeys.length))
    if (rows.length === 0) return createJoin(plan, [])
    const entities = { columns: indexKeys, rows }
    const { signal } = background
    return createPastJoin(plan, await readPast(featuresAt, { references, entities, moment, signal }), moment)
  }

  return {
    async get({ entities, asOf, ...asked }, { charge, realtimeLoader = null }) {
      const planned = plans.of(asked)
      const plan = planned instanceof Promise ? await planned : planned
      assertFew(entities.length, plan.parts.length)
      charge?.(entities.length * plan.parts.length)
      const read = await mapWithBreaths(entities, plan.readEntity)
      const good = read.filter((each): each is ReadEntity => !(each instanceof AppError))
      const join = await (asOf === null ? joinNow(plan, good, realtimeLoader) : joinAt(plan, good, asOf))
      let next = 0
      const joined = await mapWithBreaths(read, (each, i) =>
        each instanceof AppError ? failed(plan, entities[i], each) : join(entities[i], each, next++),
      )
      return transform(plan, joined)
    },
    describe: async (asked) => plans.of(asked),
    async close() {
      plans.close()
      await background.close()
    },
  }
}

/** A vector before its ETL, and what that is given of it. */
interface Joined {
  vector: FeatureVector
  cells(): Row
}

/** Of an entity that could be read, the nth of those. */
type Join = (entity: unknown, read: ReadEntity, nth: number) => Joined

function failed(plan: VectorPlan, entity: unknown, error: AppError): Joined {
  return { vector: { entity, features: plan.nothing, views: [], error }, cells: () => [] }
}

function createJoin(plan: VectorPlan, answers: readonly LookupAnswers[]): Join {
  const { parts, through } = plan
  const tellers = parts.map(({ view }) => createTeller(view.record.name))
  return (entity, { keys, cells }, nth) => {
    let text = '{'
    let error: AppError | null = null
    const views: VectorPart[] = []
    for (let p = 0; p < parts.length; p++) {
      const part = parts[p] as PlannedPart
      const answer =
        answers[p]?.[nth] ?? new AppError('INTERNAL', 'The lookup gave fewer results than it was asked for.')
      const tell = tellers[p] as Teller
      const { members, told } = readPart(part, { answer, key: keys[part.finding] ?? '', tell })
      text += p === 0 ? members : `,${members}`
      views.push(told)
      // An ETL is not given what is not known.
      if (through !== null && told.error !== null) error ??= told.error
    }
    const features = `${text}}` as ByteText
    return {
      vector: { entity, features, views, error },
      cells: () => [...cells(), ...givenOf(through, features)],
    }
  }
}

/** An ETL is given the features as they are answered, of any moment: JSON has no NaN, and no infinity. */
function givenOf(through: Through | null, features: ByteText): Row {
  return through?.cellsOf(JSON.parse(toText(features)) as Record<string, unknown>) ?? []
}

function createPastJoin({ references, through }: VectorPlan, { columns, rows }: Past, moment: bigint): Join {
  const encode = createRowEncoder(columns)
  return (entity, { cells }, nth) => {
    const parts = rows[nth] ?? []
    const features = toByteText(encode(parts.flatMap((part) => part.cells)))
    const views = parts.map(
      ({ status, eventTime }, i): VectorPart => ({
        view: references[i]?.view.record.name ?? '',
        status,
        source: 'WAREHOUSE',
        eventTime,
        asOf: moment,
        error: null,
      }),
    )
    return {
      vector: { entity, features, views, error: null },
      cells: () => [...cells(), ...givenOf(through, features)],
    }
  }
}

function readPart(
  { view, picker }: PlannedPart,
  { answer, key, tell }: { answer: RealtimeResult | AppError; key: string; tell: Teller },
) {
  const { name } = view.record
  if (answer instanceof AppError) return { members: picker.nothing, told: failedPart(name, answer) }
  const { error, rows } = answer
  const told = tell(answer)
  const members = error === null ? picker.pick(rows) : picker.nothing
  if (members !== null) return { members, told }
  return { members: picker.nothing, told: { ...told, status: 'FAILED' as const, error: moreRows(view, key) } }
}

function failedPart(view: string, error: AppError): VectorPart {
  return { view, status: 'FAILED', source: 'WAREHOUSE', eventTime: null, asOf: null, error }
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
  { through, nothing }: { through: Through; nothing: ByteText },
): FeatureVector {
  if (result === undefined) return { ...vector, features: nothing }
  if (result instanceof AppError) return { ...vector, features: nothing, error: result }
  return { ...vector, features: result === null ? nothing : toByteText(through.encode(result)) }
}
