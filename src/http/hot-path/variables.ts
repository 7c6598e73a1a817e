// A request's variables and a field's arguments, coerced as GraphQL does wherever that is plain; the rest is declined.

import {
  type ConstValueNode,
  Kind,
  type TypeNode,
  type ValueNode,
  type VariableDefinitionNode,
} from 'graphql'
import type { ArgumentKind } from '../../schema/lookup-fields.ts'

export type VariableValues = Readonly<Record<string, unknown>>
export type Coerced = string | boolean | readonly string[]

/** One declared variable; `read` gives undefined where the reference path has to decide. */
export interface Slot {
  name: string
  kind: VariableKind
  read(variables: VariableValues): Coerced | undefined
}

/** `Name` is for arguments alone: its variables are strings. */
type VariableKind = Exclude<ArgumentKind, 'Name'> | 'Boolean'

/** A fixed value, or the position of a slot, or a list of such. */
export type Argument =
  | { kind: 'fixed'; value: Coerced }
  | { kind: 'slot'; index: number }
  | { kind: 'list'; items: readonly (string | number)[] }

/** Null when a variable is of a type that realtime fields do not take. */
export function compileSlots(definitions: readonly VariableDefinitionNode[]): Slot[] | null {
  const slots = definitions.map(compileSlot)
  return slots.every((slot) => slot !== null) ? slots : null
}

function compileSlot({ variable, type, defaultValue, directives }: VariableDefinitionNode): Slot | null {
  const name = variable.name.value
  const kind = kindOf(type)
  if (kind === null || (directives?.length ?? 0) > 0) return null
  const fallback = defaultValue === undefined ? undefined : coerceLiteral(kind, defaultValue)
  return {
    name,
    kind,
    read(variables) {
      const value = variables[name]
      return value === undefined ? fallback : coerceValue(kind, value)
    },
  }
}

function kindOf(type: TypeNode): VariableKind | null {
  if (type.kind === Kind.NON_NULL_TYPE) return kindOf(type.type)
  if (type.kind === Kind.LIST_TYPE) return kindOf(type.type) === 'String' ? 'StringList' : null
  const name = type.name.value
  return name === 'ID' || name === 'String' || name === 'Boolean' ? name : null
}

function coerceValue(kind: VariableKind, value: unknown): Coerced | undefined {
  switch (kind) {
    case 'String':
      return typeof value === 'string' ? value : undefined
    case 'ID':
      // An integer that is not safe was rounded when it was parsed.
      return Number.isSafeInteger(value) ? String(value) : typeof value === 'string' ? value : undefined
    case 'Boolean':
      return typeof value === 'boolean' ? value : undefined
    case 'StringList':
      if (typeof value === 'string') return [value]
      return isStringList(value) ? value : undefined
  }
}

function isStringList(value: unknown): value is readonly string[] {
  if (!Array.isArray(value)) return false
  for (const item of value) if (typeof item !== 'string') return false
  return true
}

function coerceLiteral(kind: VariableKind, node: ConstValueNode): Coerced | undefined {
  switch (node.kind) {
    case Kind.STRING:
      return kind === 'StringList' ? [node.value] : kind === 'Boolean' ? undefined : node.value
    case Kind.INT:
      return kind === 'ID' ? node.value : undefined
    case Kind.BOOLEAN:
      return kind === 'Boolean' ? node.value : undefined
    case Kind.LIST: {
      const items = node.values.map((item) => coerceLiteral('String', item))
      return kind === 'StringList' && isStringList(items) ? items : undefined
    }
    default:
      return undefined
  }
}

/** Each declared variable's value, in order; undefined when one is missing, null or of another type. */
export function readSlots(slots: readonly Slot[], variables: VariableValues): Coerced[] | undefined {
  const values: Coerced[] = []
  for (const slot of slots) {
    const value = slot.read(variables)
    if (value === undefined) return undefined
    values.push(value)
  }
  return values
}

/** Null for a literal that is not of the kind; a valid document has none. */
export function compileArgument(
  node: ValueNode,
  argumentKind: ArgumentKind,
  slots: readonly Slot[],
): Argument | null {
  const kind = argumentKind === 'Name' ? 'String' : argumentKind
  if (node.kind === Kind.VARIABLE) {
    const index = slots.findIndex(({ name }) => name === node.name.value)
    return slots[index]?.kind === kind ? { kind: 'slot', index } : null
  }
  if (node.kind === Kind.LIST && kind === 'StringList') {
    const items = node.values.map((item) => compileItem(item, slots))
    if (items.every((item) => typeof item === 'string')) return { kind: 'fixed', value: items }
    return items.every((item) => item !== null) ? { kind: 'list', items } : null
  }
  const value = coerceLiteral(kind, node as ConstValueNode)
  return value === undefined ? null : { kind: 'fixed', value }
}

function compileItem(node: ValueNode, slots: readonly Slot[]): string | number | null {
  const item = compileArgument(node, 'String', slots)
  if (item?.kind === 'slot') return item.index
  return item?.kind === 'fixed' && typeof item.value === 'string' ? item.value : null
}

/** Of the kind that the argument was compiled for. */
export function readArgument(argument: Argument, values: readonly Coerced[]): string | readonly string[] {
  switch (argument.kind) {
    case 'fixed':
      return argument.value as string | readonly string[]
    case 'slot':
      return values[argument.index] as string | readonly string[]
    case 'list':
      return argument.items.map((item) => (typeof item === 'string' ? item : (values[item] as string)))
  }
}
