// A script's source judged, and made into a module of one function that evaluates it afresh at each call.

import { stripTypeScriptTypes } from 'node:module'
import { messageOf } from '../../errors.ts'
import { isNode, isSameTree, parseModule, refuse, ScriptError, type SyntaxNode } from './syntax.ts'

export interface ScriptSource {
  language: 'JAVASCRIPT' | 'TYPESCRIPT'
  source: string
}

export interface WrappedScript {
  /**
   * A module whose default is a function that runs the script's statements and gives what they export. They begin on
   * its second line, so that with a line offset of -1 the script's own lines and columns are told.
   */
  code: string
  /** Whether it defines getters or setters. */
  hasAccessors: boolean
}

/** Types become blanks, so that lines and columns stay. */
function stripTypes({ language, source }: ScriptSource): string {
  if (language === 'JAVASCRIPT') return source
  try {
    return stripTypeScriptTypes(source)
  } catch (error) {
    const text = messageOf(error)
    const position = /:(\d+):(\d+)/.exec(text)
    const message = text.split('\n').find((line) => line.trim() !== '') ?? text
    throw new ScriptError(
      `not TypeScript whose types can be stripped: ${message.trim()}`,
      position === null ? {} : { line: Number(position[1]), column: Number(position[2]) },
    )
  }
}

const noImports =
  'an ETL has no imports: what it needs must stand in its own file (types may be imported: import type)'

const noAsync =
  'an ETL is not async: it only turns rows into rows, so there is nothing to wait for (no async, no await, no Promise)'

function isAsync(node: SyntaxNode): boolean {
  const isMarked = Reflect.get(node, 'async') === true || Reflect.get(node, 'await') === true
  return isMarked || node.type === 'AwaitExpression' || Reflect.get(node, 'kind') === 'await using'
}

function judge(root: SyntaxNode): { hasAccessors: boolean } {
  let hasAccessors = false
  const queue: object[] = [root]
  for (let value = queue.pop(); value !== undefined; value = queue.pop()) {
    if (isNode(value)) {
      if (value.type === 'ImportDeclaration' || value.type === 'ImportExpression') refuse(value, noImports)
      if (isAsync(value)) refuse(value, noAsync)
      if (value.type === 'MetaProperty' && nameOf(Reflect.get(value, 'meta')) === 'import')
        refuse(value, 'import.meta is not to be had in an ETL')
      const kind: unknown = Reflect.get(value, 'kind')
      hasAccessors ||= kind === 'get' || kind === 'set'
    }
    for (const child of Object.values(value))
      if (typeof child === 'object' && child !== null) queue.push(child)
  }
  return { hasAccessors }
}

function nameOf(node: unknown): string {
  return String(Reflect.get(node as object, 'name') ?? Reflect.get(node as object, 'value'))
}

function declaredNames(declaration: SyntaxNode): string[] {
  const id: unknown = Reflect.get(declaration, 'id')
  const ids = isNode(id)
    ? [id]
    : (Reflect.get(declaration, 'declarations') as object[]).map((one) => Reflect.get(one, 'id'))
  return ids.filter((one) => isNode(one) && one.type === 'Identifier').map(nameOf)
}

/** A statement of the module; `node` is what of it is run, null for one that only exports. */
interface Statement {
  node: SyntaxNode | null
  loc: SyntaxNode['loc']
}

function readStatements(root: SyntaxNode) {
  /** Local names by exported ones. */
  const locals = new Map<string, string>()
  const statements = (Reflect.get(root, 'body') as SyntaxNode[]).map((node): Statement => {
    if (node.type === 'ExportDefaultDeclaration')
      refuse(node, 'an ETL exports by name: export function transform(row) or extract(rows), not a default')
    if (node.type === 'ExportAllDeclaration') refuse(node, noImports)
    if (node.type !== 'ExportNamedDeclaration') return { node, loc: node.loc }
    if (isNode(Reflect.get(node, 'source'))) refuse(node, noImports)
    const declaration: unknown = Reflect.get(node, 'declaration')
    if (isNode(declaration)) {
      for (const name of declaredNames(declaration)) locals.set(name, name)
      return { node: declaration, loc: declaration.loc }
    }
    for (const specifier of Reflect.get(node, 'specifiers') as object[])
      locals.set(nameOf(Reflect.get(specifier, 'exported')), nameOf(Reflect.get(specifier, 'local')))
    return { node: null, loc: node.loc }
  })
  return { locals, statements }
}

function checkExports(locals: ReadonlyMap<string, string>): void {
  if (locals.has('transform') && locals.has('extract')) {
    throw new ScriptError(
      'exports both transform and extract; an ETL is either row by row or over the whole frame',
    )
  }
  if (!locals.has('transform') && !locals.has('extract')) {
    throw new ScriptError(
      'exports neither transform nor extract: write export function transform(row) or export function extract(rows)',
    )
  }
}

const emptyBlock = '{}'

/** The statements alone, each at its line and column; where one only exports stands an empty block. */
function layOut(code: string, statements: readonly Statement[]): string {
  let text = ''
  let [line, column] = [1, 0]
  for (const { node, loc } of statements) {
    if (loc.start.line > line) {
      text += '\n'.repeat(loc.start.line - line)
      column = 0
    }
    text += ' '.repeat(loc.start.column - column)
    text += node === null ? emptyBlock : code.slice(node.start, node.end)
    line = node === null ? loc.start.line : loc.end.line
    column = node === null ? loc.start.column + emptyBlock.length : loc.end.column
  }
  return text
}

/** The statements of the function that a wrapped script's module gives, without the last, which returns its exports. */
function wrappedStatements(root: SyntaxNode): readonly unknown[] {
  const [only, ...others] = Reflect.get(root, 'body') as object[]
  const wrapper: unknown = only === undefined ? undefined : Reflect.get(only, 'declaration')
  const body: unknown = isNode(wrapper) ? Reflect.get(wrapper, 'body') : undefined
  const statements: unknown = isNode(body) ? Reflect.get(body, 'body') : undefined
  return others.length === 0 && Array.isArray(statements) ? statements.slice(0, -1) : []
}

function isEmptyBlock(node: unknown): boolean {
  if (!isNode(node) || node.type !== 'BlockStatement') return false
  return (Reflect.get(node, 'body') as unknown[]).length === 0
}

/** What runs is what was judged: the module is parsed again as it will run, and must have the very statements. */
function checkWrapped(code: string, statements: readonly Statement[]): void {
  const run = wrappedStatements(parseModule(code))
  const isSame = (node: SyntaxNode | null, its: unknown) =>
    node === null ? isEmptyBlock(its) : isSameTree(node, its, 1)
  if (run.length === statements.length && statements.every(({ node }, i) => isSame(node, run[i]))) return
  throw new ScriptError('its statements do not stand on their own; end each of them with a semicolon')
}

/** Throws ScriptError for what cannot be an ETL. */
export function wrapScript(script: ScriptSource): WrappedScript {
  const code = stripTypes(script).replace(/^#!.*/, (line) => ' '.repeat(line.length))
  const root = parseModule(code)
  const { hasAccessors } = judge(root)
  const { locals, statements } = readStatements(root)
  checkExports(locals)
  const given = ['transform', 'extract', 'columns'].flatMap((name) => {
    const local = locals.get(name)
    return local === undefined ? [] : `${name}: ${local}`
  })
  const wrapped = `export default () => {\n${layOut(code, statements)}\nreturn { ${given.join(', ')} }\n}`
  checkWrapped(wrapped, statements)
  return { code: wrapped, hasAccessors }
}
