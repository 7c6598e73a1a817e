// What is proven of a statement before it is served, by the server's own analysis of it: that nothing in it changes
// from run to run, that the same rows give the same result, and whose rows it reads.

import type { Relation } from '../../../sql/algebra.ts'
import { judgeDeterminism, unlessChanging } from '../../../sql/determinism.ts'
import { whyNotLocal } from '../../../sql/locality.ts'
import { tellOrigin } from '../../column-origin.ts'
import type { BaseTable, DescribeOptions, QueryDescription } from '../../port.ts'
import type { Analysis, CatalogRelation } from '../judge.ts'
import type { Session } from '../session.ts'
import { readAlgebra } from './algebra.ts'
import { findChange } from './changing.ts'
import { isPlainType } from './equality.ts'
import { type BoundTable, NotFollowed, type RelationParts } from './places.ts'
import { isNode, nodeOf, nodesOf, parseTree, type TreeNode, textOf } from './tree.ts'

type Proofs = Pick<QueryDescription, 'changing' | 'determinism' | 'whyNotLocal' | 'origin'>

/** Without a key only what is promised of the result as a whole. */
export async function prove(
  session: Session,
  {
    sql,
    analysis,
    tables,
    key,
    origin,
  }: Pick<DescribeOptions, 'key' | 'origin'> & {
    sql: string
    analysis: Analysis
    tables: readonly BaseTable[]
  },
): Promise<Proofs> {
  const { functions, relations, tree } = analysis
  const trees = [tree, ...[...relations.values()].flatMap((relation) => relation.trees)]
  const loose = await findLooseCollation(session, trees)
  const { relation, columns } = bind(analysis, { key: key ?? [], isLoose: loose !== null })
  const defaults = [...functions.values()].flatMap((called) => called.defaults ?? [])
  const changing = await findChange(session, { sql, trees: [...trees, ...defaults], analysis })
  const determinism = unlessChanging(judgeDeterminism(relation), changing)
  const told = tellOrigin(relation, { column: origin, columns, tables })
  if (key === undefined) return { determinism, ...told }
  const foreign = [...functions.values()].find(({ isOwn }) => !isOwn)
  const obstacle =
    loose !== null
      ? `it compares by ${loose}, to which different texts are equal`
      : foreign !== undefined
        ? `it calls ${foreign.name}, which is not the server's own`
        : null
  const parts = key.map((name) => ({ name, index: columns.findIndex((column) => isSameName(column, name)) }))
  return { determinism, changing, whyNotLocal: obstacle ?? whyNotLocal(relation, parts), ...told }
}

/** The first OID of a user's own collations: the server's own tell all texts apart. */
const firstOwnOid = 16_384

async function findLooseCollation(session: Session, trees: readonly string[]): Promise<string | null> {
  const oids = new Set<string>()
  for (const tree of trees) {
    for (const [, oid = ''] of tree.matchAll(/:\w*coll\w* (\d+)/gi)) oids.add(oid)
    for (const [, list = ''] of tree.matchAll(/:\w*coll\w* \(o ([\d ]+)\)/gi))
      for (const oid of list.split(' ')) oids.add(oid)
  }
  const own = [...oids].filter((oid) => Number(oid) >= firstOwnOid)
  if (own.length === 0) return null
  const [row] = await session.query(
    'SELECT collname FROM pg_catalog.pg_collation WHERE NOT collisdeterministic AND oid = ANY($1::oid[])',
    [`{${own.join(',')}}`],
  )
  return row === undefined ? null : `the collation ${row[0]}`
}

function bind(
  { tree, relations, functions }: Analysis,
  { key, isLoose }: { key: readonly string[]; isLoose: boolean },
): { relation: Relation; columns: readonly string[] } {
  const tableOf: RelationParts['tableOf'] = (oid) => {
    const relation = relations.get(oid)
    if (relation === undefined) throw new NotFollowed('it reads a table that is not known')
    if (relation.kind !== 'v') return readTable(relation, key)
    const [query] = queriesOf(relation.trees[0] ?? '')
    if (query === undefined)
      throw new NotFollowed(`it reads the view ${relation.name}, which cannot be looked into`)
    return { kind: 'view', query }
  }
  const functionOf: RelationParts['functionOf'] = (oid) =>
    functions.get(oid) ?? { name: 'a function', isOwn: false }
  let columns: readonly string[] = []
  try {
    const statement = statementWithin(tree)
    columns = columnsOf(statement)
    return { relation: readAlgebra(statement, { tableOf, functionOf, isLoose }), columns }
  } catch (error) {
    if (!(error instanceof NotFollowed)) throw error
    return { relation: { kind: 'opaque', reason: error.message, inputs: [], width: columns.length }, columns }
  }
}

const otherKinds: Record<string, string> = {
  m: ' (a materialized view, which is renewed as a whole)',
  f: ' (a foreign table, whose rows another server chooses)',
}

function readTable(relation: CatalogRelation, key: readonly string[]): BoundTable {
  const { schema, name, kind, columns, hasPolicies, uniques } = relation
  const namesakes = key.map((part) => columns.filter((column) => isSameName(column.name, part)))
  const unclear = key.find((_, i) => (namesakes[i]?.length ?? 0) > 1)
  const remark = hasPolicies
    ? ' (of which policies choose the rows)'
    : unclear !== undefined
      ? ` (which has several columns called ${unclear})`
      : (otherKinds[kind] ?? '')
  return {
    kind: 'table',
    name: `${schema}.${name}${remark}`,
    nameOf: (number) => columns.find((column) => column.number === number)?.name,
    keyIndexes: namesakes.map(([own]) =>
      own !== undefined && isPlainType(String(own.type)) && remark === '' ? own.number - 1 : null,
    ),
    uniques: uniques.map((unique) => unique.map((number) => number - 1)),
  }
}

function isSameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

/** The view counts what it selects from: the statement in parentheses. */
function statementWithin(tree: string): TreeNode {
  const [around] = queriesOf(tree)
  const tables = around === undefined ? [] : nodesOf(around, 'rtable')
  const statement = tables.map((table) => nodeOf(table, 'subquery')).find((query) => query !== null)
  if (statement == null) throw new NotFollowed('its tree is not of a form known here')
  return statement
}

function queriesOf(tree: string): TreeNode[] {
  try {
    const parsed = parseTree(tree)
    return Array.isArray(parsed) ? parsed.filter(isNode) : []
  } catch (cause) {
    throw new NotFollowed('its tree is not of a form known here', { cause })
  }
}

function columnsOf(statement: TreeNode): string[] {
  return nodesOf(statement, 'targetList')
    .filter((target) => textOf(target, 'resjunk') === 'false')
    .map((target) => textOf(target, 'resname'))
}
