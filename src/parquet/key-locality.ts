// Proves of a SELECT that the rows of one key value depend on nothing but the tables' rows of that value.
// It is long since its parts call each other: queries hold joins, and joins hold queries.

import type { FunctionKinds } from './function-kinds.ts'
import { expand, type Item, idsAmong } from './key-items.ts'
import { hasForeignColumns, hasSubquery, isKnownIn, isSubquery, outermost, windowsIn } from './key-search.ts'
import {
  closed,
  conjuncts,
  equalPairs,
  follows,
  joinSources,
  keyedThrough,
  type NamedColumn,
  readJoinType,
  resolveColumn,
  type Source,
  Unproven,
} from './key-sources.ts'
import type { SyntaxNode, TableReference } from './statement.ts'

export interface LocalityRequest {
  tree: SyntaxNode
  /** The result's column that is the key; each table's key is its column of that name. */
  key: string
  /** Null for what cannot be looked into; it may throw Unproven to say more. */
  find(table: Pick<TableReference, 'schema' | 'name'>): LocalTable | null
  functions: FunctionKinds
}

/** A table's columns, and which is the key where that is not told by its name; or what stands behind a view. */
export type LocalTable =
  | { columns: readonly string[]; keyColumn?: string | null }
  | { schema: string; tree: SyntaxNode }

/** What a query gives: its columns, over the ids of a source of its own. */
interface Output extends Omit<Source, 'relations' | 'merged'> {
  columns: readonly NamedColumn[]
}

interface Scope {
  withs: ReadonlyMap<string, Output>
  outer: readonly Source[]
}

const nodeKeys = new Set(
  'type modifiers cte_map select_list from_table where_clause group_expressions group_sets aggregate_handling having qualify query_location'.split(
    ' ',
  ),
)
const joinKeys = new Set(
  'type left right condition join_type ref_type using_columns merged_columns query_location'.split(' '),
)
const setKeys = new Set('type setop_type left right setop_all modifiers cte_map query_location'.split(' '))

/** Null when it is proven, else why it is not, as the end of "…, because". */
export function whyNotLocal({ tree, key, find, functions }: LocalityRequest): string | null {
  let lastId = 0
  /** Where a table without a schema is looked for: a view's own, within one. */
  let homeSchema = ''
  const views: string[] = []
  const createColumns = (names: readonly (string | null)[]): NamedColumn[] => {
    const seen = new Set<string>()
    return names.map((name) => {
      const lower = name?.toLowerCase() ?? null
      const isFree = lower !== null && !seen.has(lower)
      if (lower !== null) seen.add(lower)
      return { name: isFree ? lower : null, id: ++lastId }
    })
  }

  function query(node: SyntaxNode, outside: Scope): Output {
    const withs = new Map(outside.withs)
    const scope = { withs, outer: outside.outer }
    for (const definition of ((node.cte_map as SyntaxNode | undefined)?.map ?? []) as SyntaxNode[]) {
      const value = definition.value as SyntaxNode
      const given = query((value.query as SyntaxNode).node as SyntaxNode, scope)
      withs.set(String(definition.key).toLowerCase(), renamed(given, value.aliases))
    }
    if (node.type === 'SELECT_NODE') return select(node, scope)
    if (node.type === 'SET_OPERATION_NODE') return setOperation(node, scope)
    throw new Unproven(`it holds a ${String(node.type)}`)
  }

  function select(node: SyntaxNode, scope: Scope): Output {
    refuseOthers(node, nodeKeys)
    const conditions = conjuncts(node.where_clause)
    const source = from(node.from_table as SyntaxNode, conditions, scope)
    let keyed = new Set(source.keyed)
    const confine = (through: readonly number[]) => {
      const sound = keyedThrough(source, through)
      keyed = new Set([...keyed].filter((id) => sound.has(id)))
    }
    for (const condition of conditions) {
      const within = isIn(condition) ? semijoin(condition, source, scope) : undefined
      if (within === undefined) subqueries(condition, source, scope, confine)
      else if (within !== null) confine([within])
    }
    /** Rows of one value in `through` are looked at together, whatever else they hold. */
    const partition = (through: readonly number[]) => {
      const sound = through.filter((id) => source.keyed.has(id))
      keyed = new Set([...keyed].filter((id) => sound.some((other) => follows(source, id, other))))
    }
    const items = ((node.select_list ?? []) as SyntaxNode[]).flatMap((item) => expand(item, source))
    const groups = groupColumns(node, items, source)
    const rest = [node.select_list, node.having, node.qualify, node.group_expressions, node.modifiers]
    subqueries(rest, source, scope, confine)
    if (!source.isConstant) for (const window of windowsIn(rest)) partition(partitionOf(window, source))
    if (groups !== null) keyed = new Set([...keyed].filter((id) => groups.has(id)))
    else if (!source.isConstant && [node.select_list, node.having, node.qualify].some(aggregates))
      throw new Unproven('it aggregates over all rows')
    for (const modifier of (node.modifiers ?? []) as SyntaxNode[]) {
      if (String(modifier.type).startsWith('LIMIT') && !source.isConstant)
        throw new Unproven('it has a LIMIT')
      const targets = modifier.distinct_on_targets as SyntaxNode[] | undefined
      if (targets !== undefined) partition(idsAmong(targets, items, source))
    }
    const all = [rest, node.where_clause]
    const isConstant = source.isConstant && !hasForeignColumns(all, source) && !hasSubquery(all)
    const columns = createColumns(items.map(({ name }) => name))
    return carried(
      columns,
      items.map(({ id }) => id),
      // With several grouping sets a column may be null where the one that it follows is not.
      { ...source, keyed, isConstant, ...(hasSets(node) && { follows: new Set<string>() }) },
    )
  }

  /** The columns under new ids. */
  function carried(
    columns: NamedColumn[],
    ids: readonly (number | undefined)[],
    source: Omit<Source, 'relations' | 'merged'>,
  ): Output {
    const isKeyed = (id: number | undefined) =>
      source.isConstant || (id !== undefined && source.keyed.has(id))
    const pairs = columns.flatMap((a, i) =>
      columns.flatMap((b, j) => {
        const [from, to] = [ids[i], ids[j]]
        return i !== j && from !== undefined && to !== undefined && follows(source, from, to)
          ? [[a.id, b.id] as const]
          : []
      }),
    )
    return {
      columns,
      keyed: new Set(columns.flatMap(({ id }, i) => (isKeyed(ids[i]) ? [id] : []))),
      follows: closed(new Set(), pairs),
      isConstant: source.isConstant,
    }
  }

  function renamed(output: Output, aliases: unknown): Output {
    const names = output.columns.map(({ name }, i) => (aliases as string[] | undefined)?.[i] ?? name)
    return carried(
      createColumns(names),
      output.columns.map(({ id }) => id),
      output,
    )
  }

  function setOperation(node: SyntaxNode, scope: Scope): Output {
    refuseOthers(node, setKeys)
    if (node.setop_type === 'UNION_BY_NAME') throw new Unproven('it has a UNION BY NAME')
    const left = query(node.left as SyntaxNode, scope)
    const right = query(node.right as SyntaxNode, scope)
    const isConstant = left.isConstant && right.isConstant
    const modifiers = (node.modifiers ?? []) as SyntaxNode[]
    if (!isConstant && modifiers.some(({ type }) => String(type).startsWith('LIMIT')))
      throw new Unproven('it has a LIMIT')
    if (hasSubquery(modifiers)) throw new Unproven('it orders or limits by a subquery')
    const columns = createColumns(left.columns.map(({ name }) => name))
    const keyed = columns.filter(
      (_, i) => left.keyed.has(left.columns[i]?.id ?? 0) && right.keyed.has(right.columns[i]?.id ?? 0),
    )
    return { columns, keyed: new Set(keyed.map(({ id }) => id)), follows: new Set(), isConstant }
  }

  function from(node: SyntaxNode | undefined, conditions: readonly SyntaxNode[], scope: Scope): Source {
    const pool = [...conditions]
    const factors = node === undefined ? [] : flatten(node, pool, scope)
    let all = factors.shift() ?? constantSource([])
    while (factors.length > 0) {
      const at = factors.findIndex((factor) =>
        joinSources(all, factor, 'INNER', equalPairs(all, factor, pool)),
      )
      const [factor] = factors.splice(at, 1)
      const joined =
        factor && at >= 0 ? joinSources(all, factor, 'INNER', equalPairs(all, factor, pool)) : null
      if (joined === null) throw new Unproven(`it joins tables by other columns than ${key}`)
      all = joined
    }
    return all
  }

  /** Inner joins and commas as one list, with their conditions. */
  function flatten(node: SyntaxNode, pool: SyntaxNode[], scope: Scope): Source[] {
    if (node.type !== 'JOIN') return [relation(node, scope)]
    refuseOthers(node, joinKeys)
    const isPlain = node.ref_type === 'REGULAR' || node.ref_type === 'CROSS'
    const using = (node.using_columns ?? []) as string[]
    if (!isPlain || node.join_type !== 'INNER' || using.length > 0) return [join(node, using, scope)]
    const conditions = conjuncts(node.condition)
    if (conditions.some(hasSubquery)) throw new Unproven('it joins by a subquery')
    pool.push(...conditions)
    return [
      ...flatten(node.left as SyntaxNode, pool, scope),
      ...flatten(node.right as SyntaxNode, pool, scope),
    ]
  }

  function join(node: SyntaxNode, using: readonly string[], scope: Scope): Source {
    const type = readJoinType(node.join_type)
    const kind = String(node.ref_type)
    if (!['REGULAR', 'CROSS', 'NATURAL', 'ASOF'].includes(kind)) throw new Unproven(`it has a ${kind} join`)
    const conditions = conjuncts(node.condition)
    if (conditions.some(hasSubquery)) throw new Unproven('it joins by a subquery')
    const left = from(node.left as SyntaxNode, [], scope)
    const right = from(node.right as SyntaxNode, [], scope)
    const names = kind === 'NATURAL' ? commonNames(left, right) : using.map((name) => name.toLowerCase())
    const sides = names.map((name) => {
      const reference = { class: 'COLUMN_REF', column_names: [name] }
      const [a, b] = [resolveColumn(left, reference), resolveColumn(right, reference)]
      if (a === undefined || b === undefined) throw new Unproven(`its join USING ${name} cannot be followed`)
      return { name, a, b }
    })
    const pairs = [
      ...equalPairs(left, right, conditions),
      ...sides.map(({ a, b }): [number, number] => [a, b]),
    ]
    const joined = joinSources(left, right, type, pairs)
    if (joined === null) throw new Unproven(`it joins tables by other columns than ${key}`)
    const merged = new Map(joined.merged)
    let result = joined
    for (const { name, a, b } of [...sides, ...mergedSides(node, left, right)]) {
      merged.set(name, type === 'RIGHT' ? b : a)
      if (type !== 'FULL') continue
      const either = ++lastId
      merged.set(name, either)
      if (!joined.keyed.has(a) || !joined.keyed.has(b)) continue
      result = {
        ...result,
        keyed: new Set([...result.keyed, either]),
        follows: closed(result.follows, [
          [a, either],
          [b, either],
        ]),
      }
    }
    return { ...result, merged }
  }

  function relation(node: SyntaxNode, scope: Scope): Source {
    if (node.sample !== undefined) throw new Unproven('it samples')
    const alias = typeof node.alias === 'string' && node.alias !== '' ? node.alias : undefined
    const aliases = node.column_name_alias
    if (node.type === 'EMPTY') return constantSource([])
    if (node.type === 'SUBQUERY') {
      const given = query((node.subquery as SyntaxNode).node as SyntaxNode, scope)
      return named(alias ?? '', renamed(given, aliases))
    }
    if (node.type === 'BASE_TABLE') {
      const [schema, name] = [String(node.schema_name ?? ''), String(node.table_name)]
      const defined = schema === '' ? scope.withs.get(name.toLowerCase()) : undefined
      return named(alias ?? name, renamed(defined ?? table(schema, name), aliases))
    }
    if (node.type === 'EXPRESSION_LIST') {
      if (hasSubquery(node.values) || hasForeignColumns(node.values, constantSource([])))
        throw new Unproven('its VALUES are not constant')
      const width = ((node.values as unknown[][])[0] ?? []).length
      const names = Array.from(
        { length: width },
        (_, i) => (aliases as string[] | undefined)?.[i] ?? `col${i}`,
      )
      return named(alias ?? 'valueslist', constantOutput(names))
    }
    if (node.type === 'TABLE_FUNCTION') {
      const call = node.function as SyntaxNode
      if (hasSubquery(call) || hasForeignColumns(call, constantSource([])))
        throw new Unproven(`its ${String(call.function_name)} is not constant`)
      const name = String(call.function_name)
      return named(alias ?? name, constantOutput((aliases as string[] | undefined) ?? [alias ?? name]))
    }
    throw new Unproven(`it reads from a ${String(node.type)}`)
  }

  function table(schema: string, name: string): Output {
    const found =
      find({ schema: schema || homeSchema, name }) ?? (homeSchema === '' ? null : find({ schema, name }))
    if (found === null) throw new Unproven(`it reads ${name}, which cannot be looked into`)
    if ('tree' in found) return view(found, name)
    const columns = createColumns(found.columns)
    const ownKey = found.keyColumn === undefined ? key : found.keyColumn
    const own = columns.filter(({ name: own }) => own !== null && own === ownKey?.toLowerCase())
    return { columns, keyed: new Set(own.map(({ id }) => id)), follows: new Set(), isConstant: false }
  }

  function view({ schema, tree: behind }: { schema: string; tree: SyntaxNode }, name: string): Output {
    if (views.includes(name)) throw new Unproven(`the view ${name} reads itself`)
    views.push(name)
    const around = homeSchema
    homeSchema = schema
    try {
      return query(behind.node as SyntaxNode, { withs: new Map(), outer: [] })
    } finally {
      homeSchema = around
      views.pop()
    }
  }

  const constantOutput = (names: readonly string[]): Output => {
    const columns = createColumns(names)
    return { columns, keyed: new Set(columns.map(({ id }) => id)), follows: new Set(), isConstant: true }
  }

  function subqueries(
    part: unknown,
    source: Source,
    scope: Scope,
    confine: (through: readonly number[]) => void,
  ): void {
    for (const node of outermost(part, isSubquery)) {
      const through = subquery(node, source, scope)
      if (through !== null) confine([through])
      subqueries(node.child, source, scope, confine)
    }
  }

  function partitionOf(window: SyntaxNode, source: Source): number[] {
    const partitions = ((window.partitions ?? []) as unknown[]).map((item) => resolveColumn(source, item))
    const through = partitions.filter((id) => id !== undefined && source.keyed.has(id)) as number[]
    if (through.length > 0) return through
    throw new Unproven(
      `its window function ${String(window.function_name)} is not over a PARTITION BY ${key}`,
    )
  }

  /** The column of this source by whose value the subquery's rows are found; null when it reads no table. */
  function subquery(node: SyntaxNode, source: Source, scope: Scope): number | null {
    const inner = (node.subquery as SyntaxNode).node as SyntaxNode
    if (inner.type === 'SELECT_NODE') refuseOthers(inner, nodeKeys)
    const withinScope = { ...scope, outer: [source, ...scope.outer] }
    if (inner.type === 'SELECT_NODE' && inner.from_table !== undefined && inner.cte_map === undefined) {
      const conditions = conjuncts(inner.where_clause)
      const read = from(inner.from_table as SyntaxNode, conditions, withinScope)
      if (!read.isConstant) {
        for (const condition of conditions) {
          if (condition.type !== 'COMPARE_EQUAL') continue
          for (const [mine, theirs] of [
            [condition.left, condition.right],
            [condition.right, condition.left],
          ]) {
            const own = resolveColumn(read, mine)
            // A name that the subquery itself knows is not one of the outside.
            const outside =
              resolveColumn(read, theirs) === undefined ? resolveColumn(source, theirs) : undefined
            if (own === undefined || outside === undefined) continue
            if (!read.keyed.has(own) || !source.keyed.has(outside) || isKnownIn(theirs, read)) continue
            const others = [
              inner.select_list,
              inner.having,
              inner.qualify,
              inner.group_expressions,
              inner.modifiers,
            ]
            if ([...conditions, ...others].some(hasSubquery)) throw new Unproven('it nests subqueries')
            return outside
          }
        }
      }
    }
    if (query(inner, withinScope).isConstant) return null
    throw new Unproven(`it has a subquery that is not held to the row's own ${key}`)
  }

  /** `x IN (SELECT …)` as a condition: null and false are one there. */
  function semijoin(node: SyntaxNode, source: Source, scope: Scope): number | null | undefined {
    const asked = resolveColumn(source, node.child)
    if (asked === undefined || !source.keyed.has(asked)) return undefined
    const inner = (node.subquery as SyntaxNode).node as SyntaxNode
    const given = query(inner, { ...scope, outer: [source, ...scope.outer] })
    if (given.isConstant) return null
    return given.keyed.has(given.columns[0]?.id ?? 0) ? asked : undefined
  }

  /** Null when nothing is grouped. */
  function groupColumns(node: SyntaxNode, items: readonly Item[], source: Source): Set<number> | null {
    if (node.aggregate_handling === 'FORCE_AGGREGATES') {
      return new Set(items.flatMap(({ id }) => (id === undefined ? [] : [id])))
    }
    if (node.group_expressions === undefined) return null
    return new Set(idsAmong(node.group_expressions as SyntaxNode[], items, source))
  }

  /** Whatever is not known to work on one row counts as an aggregate. */
  function aggregates(part: unknown): boolean {
    const isAggregate = (node: SyntaxNode) =>
      node.class === 'FUNCTION' && !functions.scalar.has(String(node.function_name).toLowerCase())
    return outermost(part, (node) => isSubquery(node) || isAggregate(node)).some(
      (node) => isAggregate(node) || aggregates(node.child),
    )
  }

  try {
    const foreign = outermost(
      tree,
      (node) => node.class === 'FUNCTION' && !functions.known.has(String(node.function_name).toLowerCase()),
    )[0]
    if (foreign !== undefined)
      throw new Unproven(`it calls ${String(foreign.function_name)}, which is not the engine's own`)
    const result = query(tree.node as SyntaxNode, { withs: new Map(), outer: [] })
    const column = result.columns.find(({ name }) => name === key.toLowerCase())
    if (column !== undefined && result.keyed.has(column.id)) return null
    return `its ${key} is not, or not always, that of the rows it was made of`
  } catch (error) {
    if (error instanceof Unproven) return error.message
    throw error
  }
}

function named(name: string, { columns, ...rest }: Output): Source {
  return { ...rest, relations: [{ name: name.toLowerCase(), columns }], merged: new Map() }
}

function constantSource(columns: readonly NamedColumn[]): Source {
  const keyed = new Set(columns.map(({ id }) => id))
  return { relations: [], merged: new Map(), keyed, follows: new Set(), isConstant: true }
}

function commonNames(left: Source, right: Source): string[] {
  const names = (source: Source) =>
    source.relations.flatMap(({ columns }) => columns.flatMap(({ name }) => (name === null ? [] : [name])))
  const theirs = new Set(names(right))
  return [...new Set(names(left))].filter((name) => theirs.has(name))
}

/** Columns of a full join that have been made one, where names alone do not tell them. */
function mergedSides(
  node: SyntaxNode,
  left: Source,
  right: Source,
): { name: string; a: number; b: number }[] {
  return ((node.merged_columns ?? []) as SyntaxNode[]).flatMap((column) => {
    const [a, b] = [resolveColumn(left, column.left), resolveColumn(right, column.right)]
    return a === undefined || b === undefined ? [] : [{ name: String(column.name), a, b }]
  })
}

function isIn(node: SyntaxNode): boolean {
  return node.class === 'SUBQUERY' && node.subquery_type === 'ANY' && node.comparison_type === 'COMPARE_EQUAL'
}

function hasSets({ group_sets: sets }: SyntaxNode): boolean {
  return Array.isArray(sets) && sets.length > 1
}

function refuseOthers(node: SyntaxNode, keys: ReadonlySet<string>): void {
  const other = Object.keys(node).find((name) => !keys.has(name))
  if (other !== undefined) throw new Unproven(`it has a ${other.replaceAll('_', ' ')}`)
}
