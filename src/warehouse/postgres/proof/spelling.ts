// Whether a text of a statement may hold one of the words that the server reads as the present time in a date or a time.

import {
  isNode,
  listOf,
  nodeOf,
  nodesOf,
  numberOf,
  type TreeNode,
  type TreeValue,
  textOf,
  typeOf,
} from './tree.ts'

/** As the server finds words: as long as letters go on. */
export const clockWord = /(?<![a-z])(now|today|tomorrow|yesterday)(?![a-z])/i

/**
 * True where it is seen that no word comes of it: a constant, or what is put together of parts without the letters d and o,
 * which each of the words has one of. `queries` are those that the expression stands in, from the innermost out.
 */
export function spellsNoClock(
  value: TreeValue | undefined,
  queries: readonly TreeNode[],
  names: (oid: number) => string,
  isPart = false,
): boolean {
  if (!isNode(value)) return true
  const inner = (part: TreeValue | undefined, within = queries) => spellsNoClock(part, within, names, isPart)
  const parts = (list: readonly TreeValue[]) =>
    list.every((part) => spellsNoClock(part, queries, names, true))
  const field = (name: string) => value.fields.get(name)
  if (plainTypes.has(typeOf(value))) return true
  switch (value.kind) {
    case 'CONST':
      return textTypes.has(typeOf(value)) && !(isPart ? /[do]/i : clockWord).test(constantText(value))
    case 'RELABELTYPE':
      return inner(field('arg'))
    case 'COERCEVIAIO':
      return inner(field('arg'))
    case 'COALESCEEXPR':
    case 'MINMAXEXPR':
      return listOf(value, 'args').every((part) => inner(part))
    case 'CASEEXPR':
      return (
        nodesOf(value, 'args').every((when) => inner(when.fields.get('result'))) && inner(field('defresult'))
      )
    case 'FUNCEXPR': {
      const name = names(numberOf(value, 'funcid'))
      if (name === 'to_char') return isPlainFormat(listOf(value, 'args')[1])
      return arranging.has(name) && parts(listOf(value, 'args'))
    }
    case 'OPEXPR':
      return arranging.has(names(numberOf(value, 'opfuncid'))) && parts(listOf(value, 'args'))
    case 'VAR':
      return sourcesOf(value, queries)?.every(([source, within]) => inner(source, within)) ?? false
    default:
      return false
  }
}

/** Numbers, booleans, dates and timestamps: none of their texts has a d or an o. */
const plainTypes = new Set('16 20 21 23 26 700 701 1700 1082 1114 1184'.split(' '))
/** Text, varchar, char(n), name, and what has no type yet: their bytes are their texts. */
const textTypes = new Set('25 1043 1042 19 705 2275'.split(' '))
/** Functions whose result has no letters but those of their arguments. */
const arranging = new Set(
  'textcat anytextcat textanycat concat concat_ws left right substr substring split_part lpad rpad btrim ltrim rtrim replace reverse repeat upper lower translate regexp_replace'.split(
    ' ',
  ),
)

/** Years, months, days and times in numbers, and signs between them. */
function isPlainFormat(format: TreeValue | undefined): boolean {
  if (!isNode(format) || format.kind !== 'CONST') return false
  return /^(Y|MM|DD|HH24|HH12|HH|MI|SS|MS|US|"T"|[-:/., _\d])*$/.test(constantText(format))
}

/** Before the text of a value of any length stands its length, in four bytes. */
function constantText(node: TreeNode): string {
  return textOf(node, 'constvalue').slice(textOf(node, 'constlen') === '-1' ? 4 : 0)
}

/** What a column of a subquery is made of; null where that is not seen. */
function sourcesOf(
  node: TreeNode,
  queries: readonly TreeNode[],
): [source: TreeValue | undefined, queries: readonly TreeNode[]][] | null {
  const within = queries.slice(numberOf(node, 'varlevelsup'))
  const [query] = within
  const table = query === undefined ? undefined : nodesOf(query, 'rtable')[numberOf(node, 'varno') - 1]
  const place = numberOf(node, 'varattno') - 1
  if (table === undefined || place < 0) return null
  switch (numberOf(table, 'rtekind')) {
    case 1:
      return targetOf(nodeOf(table, 'subquery'), place, within)
    case 2:
      return [[listOf(table, 'joinaliasvars')[place], within]]
    case 5:
      return listOf(table, 'values_lists').map((row) => [Array.isArray(row) ? row[place] : undefined, within])
    case 6: {
      const around = within.slice(numberOf(table, 'ctelevelsup'))
      const [holder] = around
      const name = textOf(table, 'ctename')
      const definition = holder && nodesOf(holder, 'cteList').find((one) => textOf(one, 'ctename') === name)
      if (definition === undefined || textOf(definition, 'cterecursive') === 'true') return null
      return targetOf(nodeOf(definition, 'ctequery'), place, around)
    }
    case 9:
      return [[listOf(table, 'groupexprs')[place], within]]
    default:
      return null
  }
}

function targetOf(
  query: TreeNode | null,
  place: number,
  around: readonly TreeNode[],
): ReturnType<typeof sourcesOf> {
  if (query === null || nodeOf(query, 'setOperations') !== null) return null
  const target = nodesOf(query, 'targetList')[place]
  return target === undefined ? null : [[target.fields.get('expr'), [query, ...around]]]
}
