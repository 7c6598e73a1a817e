// A plan at work: variables in, the response's text out. What it declines the reference path answers, before anything was looked up.

import type { ByteText } from '../../byte-text.ts'
import { AppError } from '../../errors.ts'
import type { LookupTarget, RealtimeResult } from '../../realtime/service.ts'
import { operationLimits } from '../../schema/builder.ts'
import { type Loading, lookUpMany, lookUpOne } from '../../schema/lookups.ts'
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
  const started = fields.map((field) => startField(field, lookups, context))
  const [field, only] = [fields[0], started[0]]
  if (fields.length !== 1 || !field || !only) return answer(fields, started)
  return only.then((text) => `{"data":{"${field.name}":${text}}}` as ByteText)
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

async function startField(field: RootField, lookups: readonly Lookup[], context: Loading): Promise<ByteText> {
  const lookup = field.call === null ? undefined : lookups[field.call]
  if (lookup === undefined) return '"Query"' as ByteText
  const { target, value } = lookup
  if (typeof value === 'string') {
    return writeRow(field.row, await lookUpOne(context, target, value).catch(failWith(field)))
  }
  return writeList(field, await lookUpMany(context, target, value).catch(failWith(field)))
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
