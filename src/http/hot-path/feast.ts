// Features as Feast's clients ask for them, without the route's schema: bodies that need no judgment, answers as the bytes that it would write.

import { createBreath } from '../../concurrency/breath.ts'
import { createRowSurvey } from '../../realtime/vectors/picker.ts'
import { anyScalar, createRowShape } from '../../realtime/vectors/row-shape.ts'
import type { FeatureVector, Vectors } from '../../realtime/vectors/vectors.ts'
import type { Loading } from '../../schema/lookup-fields.ts'
import { type ByteText, toByteText } from '../../values/byte-text.ts'
import { eventTimeOf, type FeastBody, findFeatures, noTime, statusOf } from '../rest/feast.ts'
import { isPlainNumber, isText } from './plain-bodies.ts'

/** Of more columns the route counts how many names a body may hold. */
const maxColumns = 100

const nothing = 'null' as ByteText

/** Null for a body that the route's schema has to judge. */
export function readFeastBody(body: unknown): FeastBody | null {
  if (typeof body !== 'object' || body === null) return null
  const {
    feature_service: service = null,
    features = null,
    entities,
    full_feature_names = false,
    // Feast's SDK sends it; the route takes no notice of it.
    include_feature_view_version_metadata: withVersions = false,
    ...others
  } = body as Record<string, unknown>
  for (const _ in others) return null
  if (typeof full_feature_names !== 'boolean' || typeof withVersions !== 'boolean') return null
  if (service !== null && !isText(service)) return null
  if (features !== null && !(Array.isArray(features) && features.every(isText))) return null
  return isPlainColumns(entities)
    ? { feature_service: service, features, entities, full_feature_names }
    : null
}

function isPlainColumns(entities: unknown): entities is FeastBody['entities'] {
  if (typeof entities !== 'object' || entities === null || Array.isArray(entities)) return false
  const columns = Object.entries(entities)
  if (columns.length > maxColumns || Object.hasOwn(entities, '__proto__')) return false
  return columns.every(([, column]) => Array.isArray(column) && column.every(isPlain))
}

function isPlain(value: unknown): boolean {
  if (typeof value === 'number') return isPlainNumber(value)
  return typeof value === 'string' || typeof value === 'boolean' || value === null
}

export async function lookUpForFeast(
  vectors: Vectors,
  loading: Pick<Loading, 'charge' | 'answer'>,
  body: FeastBody,
): Promise<ByteText> {
  const { names, partOf, found } = await findFeatures(vectors, loading, body)
  const { readValues, nameTexts } = shapeOf(names)
  const breathe = createBreath()
  const values: (readonly string[])[] = []
  for (const { features } of found) {
    values.push(readValues(features))
    const pause = breathe()
    if (pause !== undefined) await pause
  }
  const given = Object.entries(body.entities)
  const results = given.map(([, column]) => writeGiven(column))
  const writers = new Map<number | null, (column: readonly string[]) => string>()
  for (let i = 0; i < names.length; i++) {
    const part = partOf === null ? null : (partOf[i] ?? 0)
    const write = writers.get(part) ?? createColumnWriter(found, part)
    writers.set(part, write)
    results.push(write(values.map((row) => row[i] ?? nothing)))
    const pause = breathe()
    if (pause !== undefined) await pause
  }
  const featureNames = [...given.map(([name]) => textOf(name)), ...nameTexts]
  return `{"metadata":{"feature_names":[${featureNames.join()}]},"results":[${results.join()}]}` as ByteText
}

function writeGiven(column: readonly unknown[]): string {
  const statuses = column.map(() => '"PRESENT"').join()
  const times = column.map(() => `"${noTime}"`).join()
  return `{"values":${textOf(column)},"statuses":[${statuses}],"event_timestamps":[${times}]}`
}

/** Of one view's features: their statuses differ by what is null of them, their times not at all. */
function createColumnWriter(found: readonly FeatureVector[], part: number | null) {
  const parts = found.map(({ views }) => (part === null ? undefined : views[part]))
  const statusesOf = (value: unknown) => parts.map((each, i) => `"${statusOf(value, found[i], each)}"`)
  const [ofValues, ofNulls] = [statusesOf(true), statusesOf(null)]
  const withoutNulls = ofValues.join()
  const times = parts.map((each) => `"${eventTimeOf(each)}"`).join()
  return (column: readonly string[]) => {
    const statuses = column.includes(nothing)
      ? column.map((value, i) => (value === nothing ? ofNulls[i] : ofValues[i])).join()
      : withoutNulls
    return `{"values":[${column.join()}],"statuses":[${statuses}],"event_timestamps":[${times}]}`
  }
}

interface Shape {
  nameTexts: readonly ByteText[]
  /** The JSON of each name's value in a vector's features, as it stands there. */
  readValues(features: ByteText): readonly string[]
}

/** By the names themselves, which a plan holds for as long as it is in use. */
const shapes = new WeakMap<readonly string[], Shape>()

function shapeOf(names: readonly string[]): Shape {
  const known = shapes.get(names)
  if (known !== undefined) return known
  const nameTexts = names.map(textOf)
  const survey = createRowSurvey(names)
  const shape = createRowShape(nameTexts.map((text) => `${RegExp.escape(`${text}:`)}(${anyScalar})`))
  const { starts, ends, labels } = survey
  const made: Shape = {
    nameTexts,
    readValues(features) {
      const values = shape.match(features, 0)
      if (values !== null) return values.slice(1)
      // There is a list or an object among them, or an ETL gave other names.
      survey.read(features, 0)
      return labels.map((label, i) => {
        const start = starts[i] ?? -1
        return start < 0 ? nothing : features.slice(start + label.length, ends[i])
      })
    },
  }
  shapes.set(names, made)
  return made
}

function textOf(value: unknown): ByteText {
  return toByteText(JSON.stringify(value))
}
