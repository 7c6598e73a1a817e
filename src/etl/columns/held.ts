// Columns that an ETL's output is held in: those it had before, or those that a sample of it shows.

import { AppError } from '../../errors.ts'
import type { Column } from '../../values/columns.ts'
import { parseStorage } from '../../values/storage-text.ts'
import { kind, type Shape } from '../script/isolate/shape.ts'
import type { DeclaredColumns } from './output.ts'
import { outputTypeOf, type TypedColumn } from './output-type.ts'

/** Throws SCHEMA_MISMATCH for a type that no script gives. */
export function typedColumns(
  { etl, declared }: { etl: string; declared: DeclaredColumns },
  columns: readonly Column[],
): TypedColumn[] {
  return columns.map(({ name, nullable, storage, type }) => {
    const held = outputTypeOf(parseStorage(storage))
    if (held !== null) return { name, type: held, nullable, declared: declared.has(name) }
    throw new AppError(
      'SCHEMA_MISMATCH',
      `ETL ${etl} cannot give column ${JSON.stringify(name)} of type ${type} (${storage})`,
      { details: { etl, name } },
    )
  })
}

/**
 * What a sample shows, for rows that are not in it: where all numbers of it are whole, the next may not be. Bigints are
 * whole by their type.
 */
export function asSample(shape: Shape): Shape {
  const whole = shape.kinds & (kind.INTEGER | kind.LARGE | kind.HUGE)
  const { element, fields } = shape
  return {
    kinds: whole === kind.INTEGER ? shape.kinds | kind.FLOAT : shape.kinds,
    element: element && asSample(element),
    fields: fields && { names: fields.names, shapes: fields.shapes.map(asSample) },
  }
}
