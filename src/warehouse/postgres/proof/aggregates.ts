// What the server's aggregates and window functions make of many rows: whether their order or the rounding of floats tells.

import type { Nature } from '../../../sql/algebra.ts'
import type { CalledFunction } from './functions.ts'

const real = '700'
const double = '701'

const rounding =
  /^(sum|avg|stddev(_pop|_samp)?|variance|var_(pop|samp)|corr|covar_(pop|samp)|regr_(?!count).*)$/
/** Of a set of values, whatever their order; `mode` and the percentiles sort theirs. */
const ofSet =
  /^(count|regr_count|min|max|sum|avg|stddev(_pop|_samp)?|variance|var_(pop|samp)|bool_(and|or)|every|bit_(and|or|xor)|range_agg|range_intersect_agg|mode|percentile_(cont|disc)|rank|dense_rank|percent_rank|cume_dist)$/
/** By a row's place among others, those that sort alike included. */
const byPlace = new Set(['row_number', 'ntile', 'lag', 'lead'])

export interface Collected {
  nature: Nature
  cure?: string
}

/** `types` are those of what it takes. */
export function natureOf(
  { name, isOwn }: Pick<CalledFunction, 'name' | 'isOwn'>,
  types: readonly string[],
): Collected {
  if (!isOwn) return { nature: 'ORDERED' }
  if (name === 'sum' && types[0] === real) return { nature: 'OPEN', cure: 'sum it as NUMERIC' }
  const isFloat = types.includes(double) || types.includes(real)
  if (rounding.test(name) && isFloat) return { nature: 'ROUNDING', cure: 'cast what it takes to NUMERIC' }
  return { nature: ofSet.test(name) ? 'EXACT' : 'ORDERED' }
}

export function isByPlace(name: string): boolean {
  return byPlace.has(name)
}

/** Functions of floats that pass a difference in the last digits on as one. */
const smooth = new Set(
  'float8 float8pl float8mi float8mul float8div float8um float8up float8abs float48pl float48mi float48mul float48div float84pl float84mi float84mul float84div dsqrt sqrt abs'.split(
    ' ',
  ),
)

export function isSmooth(name: string): boolean {
  return smooth.has(name)
}
