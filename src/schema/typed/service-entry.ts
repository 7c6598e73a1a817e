// A feature service as the typed schema has it: the newest version of its name, its entity's arguments and its row.

import { AppError } from '../../errors.ts'
import { memberNames, namesTakenBy, typeNameOf } from '../../features/names.ts'
import type { FeatureService } from '../../features/services.ts'
import type { Column } from '../../values/columns.ts'
import { type Member, type ScalarName, scalarOf, shapeOf, typeNamesOf } from './shapes.ts'
import { anotherName, rename, type SchemaProblem } from './view-entry.ts'

export interface TypedService {
  service: FeatureService
  name: string
  typeName: string
  /** Of all its fields and types. */
  names: readonly string[]
  /** What an entity is found by, then what a request brings. */
  args: readonly { name: string; column: Column; scalar: ScalarName }[]
  members: readonly Member[]
  /** What documents and subscriptions rely on: with another one it is another field. */
  shape: string
  /** Entries of one signature have the same types. */
  signature: string
}

export function labelOfService(name: string): string {
  return `feature service ${name}`
}

/** What its rows are: what its ETL gave when it was made, or the features. */
function columnsOf({ record, etl, references }: FeatureService): readonly Column[] {
  if (etl !== null) return record.columns
  return references.flatMap(({ features }) => features.map(({ column, name }) => ({ ...column, name })))
}

export function toTypedService(
  serviceName: string,
  service: FeatureService | AppError,
  graphqlName: string | null,
): TypedService | SchemaProblem {
  const problem = (text: string, cure: string): SchemaProblem => ({
    entry: labelOfService(serviceName),
    feature: null,
    problem: text,
    cure,
  })
  if (graphqlName === null)
    return problem('every GraphQL name that it may have is taken, or GraphQL allows none of it', anotherName)
  if (service instanceof AppError)
    return problem(service.message, 'make what it needs, or another version of it')
  const typeName = typeNameOf(graphqlName)
  const asked = [...service.indexKeys, ...service.requestColumns]
  const argNames = memberNames(asked.map(({ name }) => name))
  const nameless = asked.find(({ name }) => argNames.get(name) == null)
  if (nameless !== undefined)
    return problem(
      `${JSON.stringify(nameless.name)}, which an entity brings, can have no GraphQL name of its own`,
      rename,
    )
  const columns = columnsOf(service)
  const names = memberNames(columns.map(({ name }) => name))
  const members = columns.flatMap((column) => {
    const name = names.get(column.name) ?? null
    return name === null ? [] : [{ name, key: column.name, shape: shapeOf(column, `${typeName}_${name}`) }]
  })
  if (members.length === 0) return problem('what it gives has no column that can have a GraphQL name', rename)
  const args = asked.map((column) => ({
    name: argNames.get(column.name) ?? '',
    column,
    scalar: scalarOf(column) ?? ('JSON' as const),
  }))
  const { id, name, description, owner, tags } = service.record
  const takes = args.map((each) => [each.name, each.scalar, each.column.nullable])
  const shape = JSON.stringify([id, graphqlName, takes, members])
  const said = [name, description, owner, tags]
  return {
    service,
    name: graphqlName,
    typeName,
    names: [...namesTakenBy(graphqlName), ...members.flatMap(({ shape }) => typeNamesOf(shape))],
    args,
    members,
    shape,
    signature: JSON.stringify([shape, said]),
  }
}
