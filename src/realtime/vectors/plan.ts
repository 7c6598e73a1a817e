// What a request for vectors comes to: which views are asked by which keys, what is picked of their rows, what goes through an ETL.

import type { EtlRecord } from '../../catalog/etls.ts'
import { AppError } from '../../errors.ts'
import type { FeatureReference, ResolvedReference } from '../../features/references.ts'
import { joinedColumns, type ServiceEtl } from '../../features/service-etl.ts'
import { type FeatureServices, indexKeysOf } from '../../features/services.ts'
import type { View } from '../../features/views.ts'
import { type ByteText, toByteText } from '../../values/byte-text.ts'
import { createCellReader } from '../../values/cells.ts'
import { type Column, createRowEncoder, type Row, type Value } from '../../values/columns.ts'
import { createEntityReader, type Finding, type ReadEntity } from './entities.ts'
import { createPicker, type Picker } from './picker.ts'

export interface VectorsAsked {
  /** A service's name, name@version or id; or features of views. One of the two. */
  service: string | null
  features: readonly FeatureReference[] | null
  fullNames: boolean
}

export interface PlannedPart {
  view: View
  /** Whose key of an entity finds its rows. */
  finding: number
  picker: Picker
}

export interface Through extends ServiceEtl {
  cellsOf(features: Readonly<Record<string, unknown>>): readonly Value[]
  /** The JSON text of an object, of what the ETL gave. */
  encode(row: Row): string
}

export interface VectorPlan {
  parts: readonly PlannedPart[]
  readEntity(entity: unknown): ReadEntity | AppError
  /** Null where the features are the answer. */
  through: Through | null
  /** The names of a vector's features; of a service with an ETL those that it gave when it was made. */
  names: readonly string[]
  /** Of each of them the part that it is of; null where an ETL gives them. */
  partOf: readonly number[] | null
  /** An object of them in which all are null. */
  nothing: ByteText
  references: readonly ResolvedReference[]
  indexKeys: readonly Column[]
}

export async function planVectors(services: FeatureServices, asked: VectorsAsked): Promise<VectorPlan> {
  const { service, features, fullNames } = asked
  if (service !== null && features === null) {
    const found = await services.resolve(service, { fullNames })
    const { references, requestColumns, etl, record } = found
    return planOf({ references, requestColumns, etl, given: record.columns })
  }
  if (features !== null && service === null) {
    const references = await services.resolveFeatures(features, { fullNames })
    return planOf({ references, requestColumns: [], etl: null, given: [] })
  }
  throw new AppError('BAD_USER_INPUT', 'Ask either by a service, its name, or by features of views.')
}

function planOf({
  references,
  requestColumns,
  etl,
  given,
}: {
  references: readonly ResolvedReference[]
  requestColumns: readonly Column[]
  etl: EtlRecord | null
  given: readonly Column[]
}): VectorPlan {
  const findings: Finding[] = []
  const parts = references.map(({ view, keys, features }) => {
    const columns = keys.map(({ column }) => column)
    let finding = findings.findIndex((known) => isAlike(known, { key: view.key, columns }))
    if (finding < 0) finding = findings.push({ key: view.key, columns }) - 1
    return {
      view,
      finding,
      picker: createPicker(features.map(({ column, name }) => ({ column: column.name, name }))),
    }
  })
  const indexKeys = indexKeysOf(references)
  const picked = references.flatMap(({ features }) => features)
  const names = (etl === null ? picked : given).map(({ name }) => name)
  return {
    parts,
    references,
    indexKeys,
    readEntity: createEntityReader({ findings, indexKeys, requestColumns }),
    names,
    partOf: etl === null ? references.flatMap(({ features }, part) => features.map(() => part)) : null,
    nothing: toByteText(`{${names.map((name) => `${JSON.stringify(name)}:null`).join()}}`),
    through:
      etl === null
        ? null
        : {
            etl,
            columns: joinedColumns({ indexKeys, requestColumns, references }),
            outputColumns: given,
            encode: createRowEncoder(given),
            cellsOf: createCellsOf(picked),
          },
  }
}

function isAlike(a: Finding, b: Finding): boolean {
  const told = ({ key, columns }: Finding) =>
    JSON.stringify(key.columns.map(({ type, storage, native }, i) => [columns[i], type, storage, native]))
  return told(a) === told(b)
}

/** From rows' JSON to cells as an ETL is given them. */
function createCellsOf(picked: readonly ResolvedReference['features'][number][]) {
  const readers = picked.map(({ column, name }) => ({
    name,
    read: createCellReader({ ...column, nullable: true }),
  }))
  return (features: Readonly<Record<string, unknown>>) =>
    readers.map(({ name, read }) => {
      const reading = read(features[name])
      if ('value' in reading) return reading.value
      throw new Error(`The feature ${name} is stored as what is not ${reading.expected}`)
    })
}
