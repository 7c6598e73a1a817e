// The server's analysed form of a statement (pg_node_tree), from its text to nodes.

export type TreeValue = null | string | TreeNode | readonly TreeValue[]

/** `{VAR :varno 1 …}`: its fields by name. */
export interface TreeNode {
  readonly kind: string
  readonly fields: ReadonlyMap<string, TreeValue>
}

/** What the server calls since its version 16 what it called otherwise before. */
const laterKinds: Record<string, string> = {
  CASE: 'CASEEXPR',
  WHEN: 'CASEWHEN',
  ARRAY: 'ARRAYEXPR',
  ROW: 'ROWEXPR',
  ROWCOMPARE: 'ROWCOMPAREEXPR',
  COALESCE: 'COALESCEEXPR',
  MINMAX: 'MINMAXEXPR',
}

const token = /\s*([(){}]|"(?:[^"\\]|\\.)*"|(?:[^\s(){}\\]|\\[\s\S])+)/y

/** Numbers, names and the words of the tree are texts; `<>` is null. Throws where the text is not such a tree. */
export function parseTree(text: string): TreeValue {
  let at = 0

  function look(): string {
    token.lastIndex = at
    return token.exec(text)?.[1] ?? ''
  }

  function take(): string {
    token.lastIndex = at
    const [whole, found = ''] = token.exec(text) ?? []
    if (whole === undefined) throw new Error(`The tree ends or breaks off at ${at}.`)
    at += whole.length
    return found
  }

  function value(): TreeValue {
    const first = take()
    if (first === '(') {
      const items: TreeValue[] = []
      while (look() !== ')') items.push(value())
      take()
      return items
    }
    if (first === '{') return node()
    if (first === '<>') return null
    return first.replace(/^"([\s\S]*)"$/, '$1').replace(/\\([\s\S])/g, '$1')
  }

  /** A name may look like a field: after each field stands one value, whatever it looks like. */
  function node(): TreeNode {
    const label = take()
    const kind = laterKinds[label] ?? label
    const fields = new Map<string, TreeValue>()
    while (look() !== '}') {
      const name = take()
      if (!name.startsWith(':')) throw new Error(`The tree has ${name} where a field should be.`)
      const length = value()
      fields.set(name.slice(1), look() === '[' ? bytes() : length)
    }
    take()
    return { kind, fields }
  }

  /** Of a constant: `4 [ 1 0 0 -1 ]`, the bytes as characters. */
  function bytes(): string {
    let text = ''
    take()
    for (let byte = take(); byte !== ']'; byte = take()) text += String.fromCharCode(Number(byte) & 255)
    return text
  }

  return value()
}

export function isNode(value: TreeValue | undefined): value is TreeNode {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function textOf(node: TreeNode, field: string): string {
  const value = node.fields.get(field)
  return typeof value === 'string' ? value : ''
}

export function numberOf(node: TreeNode, field: string): number {
  return Number(textOf(node, field))
}

export function nodeOf(node: TreeNode, field: string): TreeNode | null {
  const value = node.fields.get(field)
  return isNode(value) ? value : null
}

export function listOf(node: TreeNode, field: string): readonly TreeValue[] {
  const value = node.fields.get(field)
  return Array.isArray(value) ? value : []
}

export function nodesOf(node: TreeNode, field: string): TreeNode[] {
  return listOf(node, field).filter(isNode)
}

/** All nodes within, outermost first, each with the queries that it stands in from the innermost out. */
export function visitNodes(
  value: TreeValue | undefined,
  visit: (node: TreeNode, queries: readonly TreeNode[]) => void,
  queries: readonly TreeNode[] = [],
): void {
  if (Array.isArray(value)) for (const item of value as readonly TreeValue[]) visitNodes(item, visit, queries)
  else if (isNode(value)) {
    visit(value, queries)
    const within = value.kind === 'QUERY' ? [value, ...queries] : queries
    for (const field of value.fields.values()) visitNodes(field, visit, within)
  }
}

const typeFields: Record<string, string> = {
  VAR: 'vartype',
  CONST: 'consttype',
  PARAM: 'paramtype',
  AGGREF: 'aggtype',
  WINDOWFUNC: 'wintype',
  FUNCEXPR: 'funcresulttype',
  OPEXPR: 'opresulttype',
  CASEEXPR: 'casetype',
  COALESCEEXPR: 'coalescetype',
  MINMAXEXPR: 'minmaxtype',
}

/** The number of an expression's type; empty where it does not say. */
export function typeOf(node: TreeNode): string {
  return textOf(node, typeFields[node.kind] ?? 'resulttype')
}
