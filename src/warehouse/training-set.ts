// A training set as one statement, alike in every warehouse: a spine's rows, each with the features as of its time.

import { blankSemicolons, quoteName } from '../sql/sql-text.ts'
import type { Column } from '../values/columns.ts'
import type { AsOfDialect } from './dialect.ts'

/** Rows that a statement gives; of its columns those that count. */
export interface SetRelation {
  sql: string
  columns: readonly Column[]
}

export interface SetReference extends SetRelation {
  /** Columns of the relation, and the spine's that are compared with them. */
  keys: readonly { key: Column; column: Column }[]
  /** Without it rows are joined by the key alone, of which there is one at most. */
  timestamp: Column | null
  created: Column | null
  eventTtlSeconds: number | null
  /** Read twice it gives the same rows. */
  isExact: boolean
  /** Columns of the relation, and their names in the set. */
  features: readonly { column: Column; name: string }[]
}

export interface TrainingSet {
  spine: SetRelation
  /** The spine's; null where no reference has a time. */
  timestamp: Column | null
  references: readonly SetReference[]
  /** Rows that were created later than the spine's time are left out, and those of which that is not known. */
  knownAsOf: boolean
}

export interface ComposedSet {
  /** Each gives the set, in its order. */
  ways: readonly [string, ...string[]]
  /** For each reference without a time, by its place, one that gives a key of the spine which has several rows of it, if there is one. */
  checks: readonly { place: number; sql: string }[]
}

/** How the rows of a time are found: by the engine's own as-of join, by a window over both, or for each row of the spine by itself. */
export type Matching = 'asof' | 'window' | 'lateral'

/** What stands in the statement for the spine's and the references' parts. */
interface Parts {
  dialect: AsOfDialect
  set: TrainingSet
  /** Ends the names that the statement gives: no part has such a word. */
  mark: string
}

const comma = (terms: readonly string[]) => terms.join(', ')
const both = (terms: readonly string[]) => terms.join(' AND ')

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
): ComposedSet {
  const alone = <Part extends SetRelation>(part: Part) => ({ ...part, sql: blankSemicolons(part.sql) })
  const set = { ...given, spine: alone(given.spine), references: given.references.map(alone) }
  const untimed = set.references.filter(({ timestamp }) => timestamp === null)
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

export function columnsOfSet({ spine, references }: TrainingSet): Column[] {
  const features = references.flatMap((reference) => reference.features)
  return [...spine.columns, ...features.map(({ column, name }) => ({ ...column, name, nullable: true }))]
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

function placeOf(columns: readonly Column[], { name }: Column): number {
  return columns.findIndex((column) => column.name === name)
}

function spineOf({ dialect, set: { spine, timestamp }, mark }: Parts): string {
  const columns = spine.columns.map(({ name }, i) => `t.${quoteName(name)} AS c${i}`)
  const moment = timestamp && `${dialect.moment(`t.${quoteName(timestamp.name)}`, timestamp)} AS moment`
  const terms = ['row_number() OVER () AS place', ...columns, ...(moment === null ? [] : [moment])]
  return `spine_${mark} AS ${dialect.materialized}(SELECT ${comma(terms)} FROM (\n${spine.sql}\n) t)`
}

/** The tables that come before the SELECT, and what stands in its FROM. */
function joinOf(parts: Parts, reference: SetReference, i: number, matching: Matching) {
  if (reference.timestamp === null) return joinByKey(parts, reference, i)
  return matching === 'lateral'
    ? joinLateral(parts, reference, i)
    : joinMatched(parts, reference, i, matching)
}

/** As it is compared: the spine's value, and the row's. */
function keyPairs({ dialect, set, mark }: Parts, { keys }: SetReference) {
  return keys.map(({ key, column }) => {
    const asked = `spine_${mark}.c${placeOf(set.spine.columns, column)}`
    const own = `t.${quoteName(key.name)}`
    if (key.type === 'STRING' && key.native !== column.native)
      return { asked: dialect.text(asked), own: dialect.text(own) }
    if (key.type === 'TIMESTAMP' && key.storage !== column.storage)
      return { asked: dialect.moment(asked, column), own: dialect.moment(own, key) }
    return { asked, own }
  })
}

function rowColumns({ columns }: SetReference): string[] {
  return columns.map(({ name }, i) => `t.${quoteName(name)} AS c${i}`)
}

/** Of rows of one time that which was created last, and of those the greatest by its columns. */
function latestFirst({ dialect }: Parts, { columns, created }: SetReference): string {
  const all = columns.map((column, i) => dialect.ordered(`t.c${i}`, column))
  const last = created && `t.c${placeOf(columns, created)}`
  return comma([...(last === null ? [] : [last]), ...all].map((term) => `${term} DESC NULLS LAST`))
}

function joinByKey(parts: Parts, reference: SetReference, i: number) {
  const { mark } = parts
  const pairs = keyPairs(parts, reference)
  const keys = pairs.map(({ own }, k) => `${own} AS k${k}`)
  const rows = `SELECT ${comma([...rowColumns(reference), ...keys])} FROM (\n${reference.sql}\n) t`
  const names = pairs.map((_, k) => `t.k${k}`)
  const numbered = `row_number() OVER (PARTITION BY ${comma(names)} ORDER BY ${latestFirst(parts, reference)})`
  const chosen = `chosen${i}_${mark}`
  const on = pairs.map(({ asked }, k) => `${chosen}.k${k} = ${asked}`)
  return {
    tables: [
      `${chosen} AS (SELECT * FROM (SELECT t.*, ${numbered} AS place FROM (${rows}) t) t WHERE t.place = 1)`,
    ],
    join: `LEFT JOIN ${chosen} ON ${both(on)}`,
  }
}

/**
 * First the time of each row that is to be found is found, over keys and times alone, then the row: of several of one
 * time the latest. A row counts from its time on, or from when it was created; among those that count at a moment the
 * greatest time is sought, which with a bound on the age is within it if any is.
 */
function joinMatched(parts: Parts, reference: SetReference, i: number, matching: Matching) {
  const { dialect, set, mark } = parts
  const { timestamp, created, eventTtlSeconds } = reference
  const pairs = keyPairs(parts, reference)
  const moments = (column: Column | null) =>
    column === null ? 'NULL' : dialect.moment(`t.${quoteName(column.name)}`, column)
  const [time, known] = [moments(timestamp), moments(created)]
  const since = set.knownAsOf ? `CASE WHEN ${known} > ${time} THEN ${known} ELSE ${time} END` : time
  const present = [...pairs.map(({ own }) => own), time, ...(set.knownAsOf ? [known] : [])]
  const own = [
    ...rowColumns(reference),
    ...pairs.map((pair, k) => `${pair.own} AS k${k}`),
    `${time} AS time`,
    `${since} AS since`,
  ]
  const [rows, matched, chosen] = [`rows${i}_${mark}`, `matched${i}_${mark}`, `chosen${i}_${mark}`]
  const held = reference.isExact ? dialect.notMaterialized : dialect.materialized
  const rowsTable = `${rows} AS ${held}(SELECT ${comma(own)} FROM (\n${reference.sql}\n) t
WHERE ${both(present.map((term) => `${term} IS NOT NULL`))})`
  const names = pairs.map((_, k) => `k${k}`)
  const spine = `spine_${mark}`
  const asked = `SELECT DISTINCT ${comma([...pairs.map((pair, k) => `${pair.asked} AS k${k}`), `${spine}.moment`])}
FROM ${spine} WHERE ${both([...pairs.map((pair) => pair.asked), `${spine}.moment`].map((term) => `${term} IS NOT NULL`))}`
  const found = { names, asked, rows, knownAsOf: set.knownAsOf }
  const finding = matching === 'asof' ? byAsOfJoin(found) : byWindow(found)
  const within =
    eventTtlSeconds === null ? [] : [`m.time >= ${dialect.secondsBefore('m.moment', eventTtlSeconds)}`]
  const onTime = [
    ...names.map((name) => `t.${name} = m.${name}`),
    't.time = m.time',
    ...(set.knownAsOf ? ['t.since <= m.moment'] : []),
    ...within,
  ]
  const numbered = `row_number() OVER (PARTITION BY ${comma([...names, 'moment'].map((name) => `m.${name}`))} ORDER BY ${latestFirst(parts, reference)})`
  const kept = [
    ...reference.columns.map((_, c) => `t.c${c}`),
    ...names.map((name) => `m.${name}`),
    'm.moment',
  ]
  return {
    tables: [
      rowsTable,
      `${matched} AS (${finding})`,
      `${chosen} AS (SELECT * FROM (SELECT ${comma([...kept, `${numbered} AS place`])}
FROM ${matched} m JOIN ${rows} t ON ${both(onTime)}) t WHERE t.place = 1)`,
    ],
    join: `LEFT JOIN ${chosen} ON ${both([...pairs.map((pair, k) => `${chosen}.k${k} = ${pair.asked}`), `${chosen}.moment = ${spine}.moment`])}`,
  }
}

interface Finding {
  names: readonly string[]
  asked: string
  rows: string
  knownAsOf: boolean
}

/** Keys and times are never null here: of a null the join would take the last row. */
function byAsOfJoin({ names, asked, rows, knownAsOf }: Finding): string {
  const best = knownAsOf ? `max(time) OVER (PARTITION BY ${comma(names)} ORDER BY since) AS time` : 'time'
  const on = names.map((name) => `a.${name} = t.${name}`)
  return `SELECT ${comma(names.map((name) => `a.${name}`))}, a.moment, t.time
FROM (${asked}) a ASOF JOIN (SELECT ${comma(names)}, since, ${best} FROM ${rows}) t ON ${both([...on, 'a.moment >= t.since'])}`
}

/** Rows of a moment come before what asks for it. */
function byWindow({ names, asked, rows }: Finding): string {
  const list = comma(names)
  return `SELECT ${list}, moment, time FROM (
SELECT ${list}, moment, asks, max(time) OVER (PARTITION BY ${list} ORDER BY moment, asks ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS time
FROM (SELECT ${list}, since AS moment, 0 AS asks, time FROM ${rows}
UNION ALL SELECT ${list}, moment, 1 AS asks, NULL AS time FROM (${asked}) a) t
) t WHERE asks = 1 AND time IS NOT NULL`
}

/** What an index on key and time answers with one look for each row of the spine. */
function joinLateral(parts: Parts, reference: SetReference, i: number) {
  const { dialect, set, mark } = parts
  const { timestamp, created, eventTtlSeconds } = reference
  if (timestamp === null) throw new Error('A reference without a time is joined by its key')
  const moment = `spine_${mark}.moment`
  const time = `t.${quoteName(timestamp.name)}`
  const bound = dialect.inTypeOf(moment, timestamp)
  const on = [
    ...keyPairs(parts, reference).map(({ own, asked }) => `${own} = ${asked}`),
    `${time} <= ${bound}`,
    ...(eventTtlSeconds === null ? [] : [`${time} >= ${dialect.secondsBefore(bound, eventTtlSeconds)}`]),
    ...(set.knownAsOf
      ? [
          created === null
            ? 'false'
            : `${dialect.moment(`t.${quoteName(created.name)}`, created)} <= ${moment}`,
        ]
      : []),
  ]
  const newest = `SELECT ${comma(rowColumns(reference))} FROM (\n${reference.sql}\n) t
WHERE ${both(on)} ORDER BY ${time} DESC FETCH FIRST 1 ROW WITH TIES`
  return {
    tables: [],
    join: `LEFT JOIN LATERAL (SELECT * FROM (${newest}) t ORDER BY ${latestFirst(parts, reference)} LIMIT 1) chosen${i}_${mark} ON true`,
  }
}
