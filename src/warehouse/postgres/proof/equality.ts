// Of which types and operators equal values are one and the same value.

import { type TreeNode, textOf, typeOf } from './tree.ts'

/** Booleans, bytes, integers, texts, dates, timestamps and uuids. */
const plainTypes = new Set('16 17 20 21 23 25 26 1042 1043 1082 1114 1184 2950'.split(' '))
/** Of these too values that sort alike count as one, though there are two zeros and numerics of several scales. */
const sortedTypes = new Set([...plainTypes, ...'18 19 700 701 1700 1083'.split(' ')])
const textTypes = new Set(['25', '1043'])
const padded = '1042'
/** The `=` of the plain types. */
const equalities = new Set(
  '91 94 96 410 532 533 1862 1868 15 416 607 98 1054 1093 2060 1320 1955 2972'.split(' '),
)

export function isPlainType(type: string): boolean {
  return plainTypes.has(type)
}

export function isText(type: string): boolean {
  return textTypes.has(type)
}

/** Whether the nodes' values that sort alike are the same. */
export function sortsPlainly(node: TreeNode, isLoose: boolean): boolean {
  const type = typeOf(node)
  return sortedTypes.has(type) && !(isLoose && isText(type))
}

/** Whether a value stays what it is as of another type: texts do. */
export function isSameType(
  a: { type: string; modifier: string },
  b: { type: string; modifier: string },
): boolean {
  if (isText(a.type) && isText(b.type)) return true
  return a.type === b.type && (a.type !== padded || a.modifier === b.modifier)
}

/** Whether the comparison holds of one and the same value alone: padded texts are equal whatever their padding. */
export function isPlainEquality(node: TreeNode, sides: readonly TreeNode[]): boolean {
  if (!equalities.has(textOf(node, 'opno')) || sides.length !== 2) return false
  const [a, b] = sides.map((side) => ({ type: typeOf(side), modifier: modifierOf(side) }))
  return a?.type !== padded || (a.modifier !== '-1' && a.modifier === b?.modifier)
}

const modifierFields: Record<string, string> = {
  VAR: 'vartypmod',
  CONST: 'consttypmod',
  PARAM: 'paramtypmod',
}

export function modifierOf(node: TreeNode): string {
  return textOf(node, modifierFields[node.kind] ?? 'resulttypmod') || '-1'
}
