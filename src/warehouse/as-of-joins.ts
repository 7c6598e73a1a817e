// How a training set's references are joined to its spine: by the engine's as-of join, by windows, or row by row.

import { quoteName, quoteText } from '../sql/sql-text.ts'
import type { Column } from '../values/columns.ts'
import type { AsOfDialect } from './dialect.ts'
import type { SetReference, TrainingSet } from './training-set.ts'

/** How the rows of a time are found: by the engine's own as-of join, by a window over both, or for each row of the spine by itself. */
export type Matching = 'asof' | 'window' | 'lateral'

/** What stands in the statement for the spine's and the references' parts. */
export interface Parts {
  dialect: AsOfDialect
  set: TrainingSet
  /** Ends the names that the statement gives: no part has such a word. */
  mark: string
}

export const comma = (terms: readonly string[]) => terms.join(', ')
export const both = (terms: readonly string[]) => terms.join(' AND ')

export function placeOf(columns: readonly Column[], { name }: Column): number {
  return columns.findIndex((column) => column.name === name)
}

export function spineOf({ dialect, set: { spine, timestamp }, mark }: Parts): string {
  const columns = spine.columns.map(({ name }, i) => `t.${quoteName(name)} AS c${i}`)
  const moment = timestamp && `${dialect.moment(`t.${quoteName(timestamp.name)}`, timestamp)} AS moment`
  const terms = ['row_number() OVER () AS place', ...columns, ...(moment === null ? [] : [moment])]
  return `spine_${mark} AS ${dialect.materialized}(SELECT ${comma(terms)} FROM (\n${spine.sql}\n) t)`
}

/** The tables that come before the SELECT, and what stands in its FROM. */
export function joinOf(parts: Parts, reference: SetReference, i: number, matching: Matching) {
  if (reference.asking !== null) return joinAsked(parts, { ...reference, asking: reference.asking }, i)
  if (reference.timestamp === null) return joinByKey(parts, reference, i)
  return matching === 'lateral'
    ? joinLateral(parts, reference, i, reference.timestamp)
    : joinMatched(parts, reference, i, matching)
}

/** As it is compared: the spine's value, and the row's. */
export function keyPairs({ dialect, set, mark }: Parts, { keys }: SetReference) {
  return keys.map(({ key, column }) => {
    const asked = `spine_${mark}.c${placeOf(set.spine.columns, column)}`
    const own = `t.${quoteName(key.name)}`
    if (key.type === 'STRING' && key.native !== column.native)
      return { asked: dialect.text(asked), own: dialect.text(own) }
    if (key.type === 'TIMESTAMP' && (key.type !== column.type || key.storage !== column.storage))
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

/** Rows of the keys that the spine asks about, of each of which there is one at most. */
function joinByKey(parts: Parts, reference: SetReference, i: number) {
  const { dialect, mark } = parts
  const pairs = keyPairs(parts, reference)
  const [asked, chosen] = [`asked${i}_${mark}`, `chosen${i}_${mark}`]
  const names = pairs.map((_, k) => `${asked}.k${k}`)
  const rows = `SELECT ${comma([...rowColumns(reference), ...pairs.map(({ own }, k) => `${own} AS own${k}`)])} FROM (\n${reference.sql}\n) t`
  const found = `SELECT ${comma([...reference.columns.map((_, c) => `r.c${c}`), ...names, `count(*) OVER (PARTITION BY ${comma(names)}) AS several`])}
FROM ${asked} JOIN (${rows}) r ON ${both(pairs.map((_, k) => `r.own${k} = ${asked}.k${k}`))}`
  return {
    tables: [
      `${asked} AS ${dialect.materialized}(${askedKeys(parts, pairs)})`,
      `${chosen} AS (SELECT * FROM (${found}) t WHERE ${refusingSeveral(dialect, reference, i)})`,
    ],
    join: `LEFT JOIN ${chosen} ON ${both(pairs.map((pair, k) => `${chosen}.k${k} = ${pair.asked}`))}`,
  }
}

/** Each once, and its moment with it where it has one. */
function askedKeys(
  { mark }: Parts,
  pairs: ReturnType<typeof keyPairs>,
  moment: string | null = null,
): string {
  const rest = moment === null ? [] : [moment]
  const terms = [...pairs.map(({ asked }, k) => `${asked} AS k${k}`), ...rest]
  const present = [...pairs.map(({ asked }) => asked), ...rest].map((term) => `${term} IS NOT NULL`)
  return `SELECT DISTINCT ${comma(terms)}\nFROM spine_${mark} WHERE ${both(present)}`
}

/** What a statement says that finds several rows of one key and moment: the reference's place, and the key. */
export const severalRows = 'gateway found several rows of reference'

/** Of a row of `t`, in which the columns that begin with k are the key. */
function refusingSeveral(dialect: AsOfDialect, { keys }: SetReference, i: number): string {
  const told = keys.map(
    ({ key }, k) => `${quoteText(`${k === 0 ? '' : ', '}${key.name} `)} || ${dialect.text(`t.k${k}`)}`,
  )
  const failure = dialect.fails([quoteText(`${severalRows} ${i}: `), ...told].join(' || '))
  return `CASE WHEN t.several > 1 THEN ${failure} ELSE true END`
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
  const asked = askedKeys(parts, pairs, `${spine}.moment`)
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

/** The statement once for each key and moment that the spine asks about, of which it has one row at most. */
function joinAsked(parts: Parts, reference: SetReference & { asking: string }, i: number) {
  const { dialect, mark } = parts
  const { sql, asking } = reference
  const pairs = keyPairs(parts, reference)
  const [spine, asked, chosen] = [`spine_${mark}`, `asked${i}_${mark}`, `chosen${i}_${mark}`]
  const each = askedKeys(parts, pairs, `${spine}.moment`)
  const names = [...pairs.map((_, k) => `${asked}.k${k}`), `${asked}.moment`]
  const on = pairs.map(({ own }, k) => `${own} = ${asked}.k${k}`)
  const rows = `SELECT ${comma(rowColumns(reference))} FROM (\n${sql.replaceAll(asking, `${asked}.moment`)}\n) t WHERE ${both(on)}`
  return {
    tables: [
      `${asked} AS ${dialect.materialized}(${each})`,
      `${chosen} AS (SELECT * FROM (SELECT v.*, ${comma(names)}, count(*) OVER (PARTITION BY ${comma(names)}) AS several
FROM ${asked} CROSS JOIN LATERAL (${rows}) v) t WHERE ${refusingSeveral(dialect, reference, i)})`,
    ],
    join: `LEFT JOIN ${chosen} ON ${both([...pairs.map((pair, k) => `${chosen}.k${k} = ${pair.asked}`), `${chosen}.moment = ${spine}.moment`])}`,
  }
}

/** What an index on key and time answers with one look for each row of the spine. */
function joinLateral(parts: Parts, reference: SetReference, i: number, timestamp: Column) {
  const on = [
    ...keyPairs(parts, reference).map(({ own, asked }) => `${own} = ${asked}`),
    ...withinTime(parts, reference, timestamp),
  ]
  const newest = `SELECT ${comma(rowColumns(reference))} FROM (\n${reference.sql}\n) t
WHERE ${both(on)} ORDER BY t.${quoteName(timestamp.name)} DESC FETCH FIRST 1 ROW WITH TIES`
  return {
    tables: [],
    join: `LEFT JOIN LATERAL (SELECT * FROM (${newest}) t ORDER BY ${latestFirst(parts, reference)} LIMIT 1) chosen${i}_${parts.mark} ON true`,
  }
}

/** Of a row of `t` whether it counts at the moment of a row of the spine. */
function withinTime(
  { dialect, set, mark }: Parts,
  { created, eventTtlSeconds }: SetReference,
  timestamp: Column,
): string[] {
  const moment = `spine_${mark}.moment`
  const time = `t.${quoteName(timestamp.name)}`
  const bound = dialect.inTypeOf(moment, timestamp)
  const known = created && `${dialect.moment(`t.${quoteName(created.name)}`, created)} <= ${moment}`
  return [
    `${time} <= ${bound}`,
    ...(eventTtlSeconds === null ? [] : [`${time} >= ${dialect.secondsBefore(bound, eventTtlSeconds)}`]),
    ...(set.knownAsOf ? [known ?? 'false'] : []),
  ]
}
