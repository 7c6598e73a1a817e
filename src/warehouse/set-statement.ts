// A training set as one statement, alike in every warehouse.

import { blankSemicolons, quoteName } from '../sql/sql-text.ts'
import { both, comma, joinOf, keyPairs, type Matching, placeOf, spineOf } from './as-of-joins.ts'
import type { AsOfDialect } from './dialect.ts'
import type { ComposedSet, SetReference, SetRelation, TrainingSet } from './training-set.ts'

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
  const untimed = set.references.filter(({ timestamp, asking }) => timestamp === null && asking === null)
  return {
    ways: [
      composeTrainingSet(dialect, set, first),
      ...others.map((matching) => composeTrainingSet(dialect, set, matching)),
    ],
    checks: untimed.map((reference) => ({
      place: set.references.indexOf(reference),
      sql: composeKeyCheck(dialect, set, reference),
    })),
  }
}

/** A statement that gives a key of the spine for which a reference has several rows, if there is one. */
function composeKeyCheck(dialect: AsOfDialect, set: TrainingSet, reference: SetReference): string {
  const parts = { dialect, set, mark: markOf(set) }
  const spine = `spine_${parts.mark}`
  const pairs = keyPairs(parts, reference)
  const asked = pairs.map((pair, k) => `${pair.asked} AS k${k}`)
  const names = pairs.map((_, k) => `a.k${k}`)
  const given = reference.keys.map(({ key }, k) => `a.k${k} AS ${quoteName(key.name)}`)
  return `WITH ${spineOf(parts)}
SELECT ${comma(given)} FROM (SELECT DISTINCT ${comma(asked)} FROM ${spine}) a JOIN (\n${reference.sql}\n) t
ON ${both(pairs.map(({ own }, k) => `${own} = a.k${k}`))} GROUP BY ${comma(names)} HAVING count(*) > 1 LIMIT 1`
}

function markOf({ spine, references }: TrainingSet): string {
  const texts = [spine, ...references].map(({ sql }) => sql.toLowerCase())
  let mark = 'gateway'
  while (texts.some((text) => text.includes(mark))) mark += '_'
  return mark
}
