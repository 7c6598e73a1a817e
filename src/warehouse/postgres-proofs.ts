// What is proven of a statement before it is served, by the server's own analysis of it: that nothing in it changes
// from run to run, and whose rows it reads.

import { type LocalTable, whyNotLocal } from '../parquet/key-locality.ts'
import { Unproven } from '../parquet/key-sources.ts'
import type { QueryDescription } from './port.ts'
import { findChange } from './postgres-changing.ts'
import { aggregateName } from './postgres-expressions.ts'
import type { Analysis, Relation } from './postgres-judge.ts'
import type { Session } from './postgres-session.ts'
import { createStatementTrees } from './postgres-statement-tree.ts'
import { isNode, nodeOf, nodesOf, parseTree, type TreeNode } from './postgres-tree.ts'

type Proofs = Required<Pick<QueryDescription, 'changing' | 'whyNotLocal'>>

export async function prove(
  session: Session,
  { sql, analysis, key }: { sql: string; analysis: Analysis; key: string },
): Promise<Proofs> {
  const trees = [analysis.tree, ...[...analysis.relations.values()].flatMap((relation) => relation.trees)]
  const defaults = [...analysis.functions.values()].flatMap((called) => called.defaults ?? [])
  const changing = await findChange(session, { sql, trees: [...trees, ...defaults], analysis })
  const loose = await findLooseCollation(session, trees)
  const reason =
    loose === null ? findReason(analysis, key) : `it compares by ${loose}, to which different texts are equal`
  return { changing, whyNotLocal: reason }
}

async function findLooseCollation(session: Session, trees: readonly string[]): Promise<string | null> {
  const oids = new Set<string>()
  for (const tree of trees) {
    for (const [, oid = ''] of tree.matchAll(/:\w*coll\w* (\d+)/gi)) oids.add(oid)
    for (const [, list = ''] of tree.matchAll(/:\w*coll\w* \(o ([\d ]+)\)/gi))
      for (const oid of list.split(' ')) oids.add(oid)
  }
  const [row] = await session.query(
    'SELECT collname FROM pg_catalog.pg_collation WHERE NOT collisdeterministic AND oid = ANY($1::oid[])',
    [`{${[...oids].filter((oid) => oid !== '').join(',')}}`],
  )
  return row === undefined ? null : `the collation ${row[0]}`
}

function findReason({ tree, relations, functions }: Analysis, key: string): string | null {
  const foreign = [...functions.values()].find(({ isOwn }) => !isOwn)
  if (foreign !== undefined) return `it calls ${foreign.name}, which is not the server's own`
  const trees = createStatementTrees((oid) => functions.get(oid)?.name ?? 'function')
  const find = ({ name }: { name: string }): LocalTable | null => {
    const relation = relations.get(Number(name))
    if (relation === undefined) return null
    if (relation.kind !== 'v') return readTable(relation, key)
    const [query] = queriesOf(relation.trees[0] ?? '')
    return query === undefined ? null : { schema: '', tree: { node: trees.translate(query) } }
  }
  try {
    const statement = statementWithin(tree)
    const known = new Set([aggregateName])
    return whyNotLocal({
      tree: { node: trees.translate(statement, [], columnsOf(statement)) },
      key,
      find,
      functions: { scalar: new Set(), known },
    })
  } catch (error) {
    if (error instanceof Unproven) return error.message
    throw error
  }
}

/** Kinds of values that have one form each, so that those that are equal are the same. */
const keyTypes = new Set([16, 17, 20, 21, 23, 25, 26, 1042, 1043, 1082, 1114, 1184, 2950])
const otherKinds: Record<string, string> = {
  m: 'a materialized view, which is renewed as a whole',
  f: 'a foreign table, whose rows another server chooses',
}

function readTable({ schema, name, kind, columns, hasPolicies }: Relation, key: string): LocalTable {
  const shown = `${schema}.${name}`
  if (kind !== 'r' && kind !== 'p')
    throw new Unproven(`it reads ${shown}, ${otherKinds[kind] ?? 'which is no table'}`)
  if (hasPolicies) throw new Unproven(`it reads ${shown}, of which policies choose the rows`)
  const keys = columns.filter((column) => column.name.toLowerCase() === key.toLowerCase())
  const [own] = keys
  if (keys.length > 1) throw new Unproven(`${shown} has several columns called ${key}`)
  if (own !== undefined && !keyTypes.has(own.type))
    throw new Unproven(`the column ${own.name} of ${shown} is of a type whose equal values may differ`)
  const width = Math.max(0, ...columns.map(({ number }) => number))
  return {
    columns: Array.from({ length: width }, (_, i) => `c${i + 1}`),
    keyColumn: own === undefined ? null : `c${own.number}`,
  }
}

/** The view counts what it selects from: the statement in parentheses. */
function statementWithin(tree: string): TreeNode {
  const [around] = queriesOf(tree)
  const tables = around === undefined ? [] : nodesOf(around, 'rtable')
  const statement = tables.map((table) => nodeOf(table, 'subquery')).find((query) => query !== null)
  if (statement === undefined || statement === null)
    throw new Unproven('its tree is not of a form known here')
  return statement
}

function queriesOf(tree: string): TreeNode[] {
  try {
    const parsed = parseTree(tree)
    return Array.isArray(parsed) ? parsed.filter(isNode) : []
  } catch (cause) {
    throw new Unproven('its tree is not of a form known here', { cause })
  }
}

function columnsOf(statement: TreeNode): string[] {
  return nodesOf(statement, 'targetList')
    .filter((target) => target.fields.get('resjunk') === 'false')
    .map((target) => String(target.fields.get('resname')))
}
