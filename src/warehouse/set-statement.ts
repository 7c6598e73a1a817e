// A training set as one statement, alike in every warehouse.

import { blankSemicolons, quoteName } from '../sql/sql-text.ts'
import { comma, joinOf, type Matching, placeOf, spineOf } from './as-of-joins.ts'
import type { AsOfDialect } from './dialect.ts'
import type { ComposedSet, SetRelation, TrainingSet } from './training-set.ts'

/** Each in the order of the spine, one row for each of its rows; the set's columns are those of `columnsOfSet`. */
function composeTrainingSet(dialect: AsOfDialect, set: TrainingSet, matching: Matching): string {
  const mark = markOf(set)
  const parts = { dialect, set, mark }
  const references = set.references.map((reference, i) => joinOf(parts, reference, i, matching))
  const spine = `spine_${mark}`
  const passed = set.spine.columns.map(({ name }, i) => `${spine}.c${i} AS ${quoteName(name)}`)
  const features = set.references.flatMap(({ columns, features: chosen }, i) =>
    chosen.map(({ column, name }) => `chosen${i}_${mark}.c${placeOf(columns, column)} AS ${quoteName(name)}`),
  )
  return `WITH ${[spineOf(parts), ...references.flatMap(({ tables }) => tables)].join(',\n')}
SELECT ${comma([...passed, ...features])}
FROM ${[spine, ...references.map(({ join }) => join)].join('\n')}
ORDER BY ${spine}.place`
}

export function composeWith(
  dialect: AsOfDialect,
  given: TrainingSet,
  [first, ...others]: readonly [Matching, ...Matching[]],
): ComposedSet | null {
  if (given.references.some(({ asking }) => asking !== null) && !dialect.hasLateral) return null
  const alone = <Part extends SetRelation>(part: Part) => ({ ...part, sql: blankSemicolons(part.sql) })
  const set = { ...given, spine: alone(given.spine), references: given.references.map(alone) }
  return [
    composeTrainingSet(dialect, set, first),
    ...others.map((matching) => composeTrainingSet(dialect, set, matching)),
  ]
}

function markOf({ spine, references }: TrainingSet): string {
  const texts = [spine, ...references].map(({ sql }) => sql.toLowerCase())
  let mark = 'gateway'
  while (texts.some((text) => text.includes(mark))) mark += '_'
  return mark
}
