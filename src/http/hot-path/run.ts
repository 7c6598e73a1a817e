// A plan at work: variables in, the response's text out. What it declines the reference path answers, before anything was looked up.

import { AppError } from '../../errors.ts'
import type { LookupTarget, RealtimeResult } from '../../realtime/service.ts'
import { operationLimits } from '../../schema/builder.ts'
import { type Loading, lookUpMany, lookUpOne } from '../../schema/lookups.ts'
import type { ByteText } from '../../values/byte-text.ts'
import type { Call, Plan } from './compile.ts'
import { type RootField, writeRow, writeRows } from './layout.ts'
import type { CompiledPlan } from './plans.ts'
import { type Coerced, readList, readSlots, readString, type VariableValues } from './variables.ts'

/** The first failure: no realtime field is nullable, so it takes the whole of the data. */
export class FailedField extends Error {
  readonly path: readonly (string | number)[]
  readonly positions: readonly number[]

  constructor(cause: unknown, { name, positions }: RootField, index?: number) {
    super(`The field ${name} failed`, { cause })
    this.path = index === undefined ? [name] : [name, index]
    this.positions = positions
  }
}

interface Lookup {
  target: LookupTarget
  value: string | readonly string[]
}

/** Null: declined. Rejects with a FailedField. */
export function run(
  plan: CompiledPlan,
  variables: VariableValues,
  context: Loading,
): Promise<ByteText> | null {
  const values = readSlots(plan.slots, variables)
  if (values === undefined) return null
  const lookups = plan.calls.map((call) => toLookup(call, values))
  if (!lookups.every(isUsable) || costOf(plan, lookups) > operationLimits.complexity) return null
  const { fields } = plan.layoutOf(plan.conditions.map((slot) => values[slot] === true))
  const [field] = fields
  if (fields.length === 1 && field !== undefined) return startField(field, lookups, context, answerOf)
  return answer(
    fields,
    fields.map((each) => startField(each, lookups, context, textOf)),
  )
}

function toLookup(call: Call, values: readonly Coerced[]): Lookup {
  const target = {
    queryId: readString(call.queryId, values),
    etlPath: call.etlPath === null ? null : readString(call.etlPath, values),
    indexKey: readString(call.indexKey, values),
  }
  return { target, value: call.many ? readList(call.values, values) : readString(call.values, values) }
}

/** What the schema's validation lets pass. */
function isUsable({ target: { indexKey, etlPath } }: Lookup): boolean {
  return indexKey !== '' && etlPath !== ''
}

/** As the schema's complexity limit counts; the breadth was judged when the plan was made. */
function costOf({ fixedCost, calls }: Plan, lookups: readonly Lookup[]): number {
  let cost = fixedCost
  for (const [i, { many, cost: ofEach }] of calls.entries()) {
    if (many) cost += ofEach * ((lookups[i]?.value.length ?? 0) - 1)
  }
  return cost
}

/** The field's text, as `wrap` puts it. */
function startField(
  field: RootField,
  lookups: readonly Lookup[],
  context: Loading,
  wrap: (field: RootField, text: ByteText) => ByteText,
): Promise<ByteText> {
  const lookup = field.call === null ? undefined : lookups[field.call]
  if (lookup === undefined) return Promise.resolve(wrap(field, '"Query"' as ByteText))
  const { target, value } = lookup
  return typeof value === 'string'
    ? lookUpOne(context, target, value).then(
        (result) => wrap(field, writeRow(field.row, result)),
        failWith(field),
      )
    : lookUpMany(context, target, value).then(
        (results) => wrap(field, writeList(field, results)),
        failWith(field),
      )
}

function textOf(_field: RootField, text: ByteText): ByteText {
  return text
}

/** The whole response of an operation with this one field. */
function answerOf({ name }: RootField, text: ByteText): ByteText {
  return `{"data":{"${name}":${text}}}` as ByteText
}

function failWith(field: RootField) {
  return (error: unknown) => {
    throw new FailedField(error, field)
  }
}

function writeList(field: RootField, results: readonly (RealtimeResult | AppError)[]): ByteText {
  for (const [i, result] of results.entries()) {
    if (result instanceof AppError) throw new FailedField(result, field, i)
  }
  return writeRows(field.row, results as readonly RealtimeResult[])
}

/** The failure that comes first is the one that is told, as on the reference path. */
async function answer(
  fields: readonly RootField[],
  started: readonly Promise<ByteText>[],
): Promise<ByteText> {
  const texts = await Promise.all(started)
  return `{"data":{${texts.map((text, i) => `"${fields[i]?.name}":${text}`).join()}}}` as ByteText
}
