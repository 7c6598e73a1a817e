// The server's analysed form of a statement (pg_node_tree), from its text to nodes.

export type TreeValue = null | string | TreeNode | readonly TreeValue[]

/** `{VAR :varno 1 …}`: its fields by name. */
export interface TreeNode {
  readonly kind: string
  readonly fields: ReadonlyMap<string, TreeValue>
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
    const kind = take()
    const fields = new Map<string, TreeValue>()
    while (look() !== '}') {
      const name = take()
      if (!name.startsWith(':')) throw new Error(`The tree has ${name} where a field should be.`)
      fields.set(name.slice(1), value())
      // The bytes of a constant: `4 [ 1 0 0 0 ]`.
      if (look() === '[') while (take() !== ']');
    }
    take()
    return { kind, fields }
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
