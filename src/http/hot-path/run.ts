// A compiled operation at work: variables in, the response's text out. What it declines the reference path answers, before anything was looked up.

import type { Loading, LookupArguments } from '../../schema/lookup-fields.ts'
import { operationLimits } from '../../schema/operation-cost.ts'
import type { ByteText } from '../../values/byte-text.ts'
import type { Call, CompiledOperation } from './compile.ts'
import { FailedFields } from './failed-fields.ts'
import { type Layout, type RootField, writeRow, writeRows } from './layout.ts'
import { type Coerced, readArgument, readSlots, type VariableValues } from './variables.ts'

export interface LaidOutOperation extends CompiledOperation {
  layoutOf(conditions: readonly boolean[]): Layout
}

interface Lookup {
  call: Call
  args: LookupArguments
}

/** Null: declined. Rejects with FailedFields: no realtime field is nullable, so the first takes the whole of the data. */
export function run(
  operation: LaidOutOperation,
  variables: VariableValues,
  context: Loading,
): Promise<ByteText> | null {
  const values = readSlots(operation.slots, variables)
  if (values === undefined) return null
  const lookups = operation.calls.map((call) => toLookup(call, values))
  if (!lookups.every(isUsable) || costOf(operation, lookups) > operationLimits.complexity) return null
  const { fields } = operation.layoutOf(operation.conditions.map((slot) => values[slot] === true))
  const [field] = fields
  if (fields.length === 1 && field !== undefined) return startField(field, lookups, context, answerOf)
  return answer(
    fields,
    fields.map((each) => startField(each, lookups, context, textOf)),
  )
}

function toLookup(call: Call, values: readonly Coerced[]): Lookup {
  const args: Record<string, string | readonly string[]> = {}
  for (const { name, value } of call.arguments) args[name] = readArgument(value, values)
  return { call, args }
}

/** What the schema's validation lets pass. */
function isUsable({ call, args }: Lookup): boolean {
  return call.arguments.every(({ name, kind }) => kind !== 'Name' || args[name] !== '')
}

/** As the schema's complexity limit counts; the breadth was judged when it was compiled. */
function costOf({ fixedCost }: CompiledOperation, lookups: readonly Lookup[]): number {
  let cost = fixedCost
  for (const { call, args } of lookups) {
    const { list } = call.field
    if (list !== null) cost += call.cost * ((args[list]?.length ?? 0) - 1)
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
  const lookup = field.lookup === null ? undefined : lookups[field.lookup.call]
  if (field.lookup === null || lookup === undefined)
    return Promise.resolve(wrap(field, '"Query"' as ByteText))
  const { row } = field.lookup
  const { field: asked } = lookup.call
  const fail = (error: unknown) => {
    throw new FailedFields(
      [{ cause: error, path: [field.name], positions: field.positions }],
      'null' as ByteText,
    )
  }
  return asked.list === null
    ? asked.lookUp(context, lookup.args).then((result) => wrap(field, writeRow(row, result)), fail)
    : asked.lookUp(context, lookup.args).then((results) => wrap(field, writeRows(row, results)), fail)
}

function textOf(_field: RootField, text: ByteText): ByteText {
  return text
}

/** The whole response of an operation with this one field. */
function answerOf({ name }: RootField, text: ByteText): ByteText {
  return `{"data":{"${name}":${text}}}` as ByteText
}

/** The failure that comes first is the one that is told, as on the reference path. */
async function answer(
  fields: readonly RootField[],
  started: readonly Promise<ByteText>[],
): Promise<ByteText> {
  const texts = await Promise.all(started)
  return `{"data":{${texts.map((text, i) => `"${fields[i]?.name}":${text}`).join()}}}` as ByteText
}
