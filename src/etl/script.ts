// A script's source made into a module of one function, evaluated afresh at each call; every fault told with line and column.

import { stripTypeScriptTypes } from 'node:module'
import { parse } from 'acorn'
import { messageOf } from '../errors.ts'
import type { Failure } from './isolate/harness.ts'

export interface ScriptSource {
  language: 'JAVASCRIPT' | 'TYPESCRIPT'
  source: string
}

export class ScriptError extends Error {
  readonly failure: Failure
  constructor(message: string, place: { line?: number; column?: number } = {}) {
    super(message)
    this.failure = { kind: 'load', message, ...place }
  }
}

interface SyntaxNode {
  type: string
  start: number
  end: number
  loc: { start: { line: number; column: number } }
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value
}

function placeOf(node: SyntaxNode) {
  return { line: node.loc.start.line, column: node.loc.start.column + 1 }
}

function refuse(node: SyntaxNode, message: string): never {
  throw new ScriptError(message, placeOf(node))
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

function parseModule(code: string): SyntaxNode {
  try {
    return parse(code, {
      ecmaVersion: 'latest',
      sourceType: 'module',
      locations: true,
      allowAwaitOutsideFunction: false,
    }) as unknown as SyntaxNode
  } catch (error) {
    const at = (error as { loc?: { line: number; column: number } }).loc
    const message = messageOf(error).replace(/ \(\d+:\d+\)$/, '')
    throw new ScriptError(message, at === undefined ? {} : { line: at.line, column: at.column + 1 })
  }
}

const noImports =
  'an ETL has no imports: what it needs must stand in its own file (types may be imported: import type)'

const noAsync =
  'an ETL is not async: it only turns rows into rows, so there is nothing to wait for (no async, no await, no Promise)'

function refuseImportsAndAsync(root: SyntaxNode): void {
  const queue: unknown[] = [root]
  for (let value = queue.pop(); value !== undefined; value = queue.pop()) {
    if (Array.isArray(value)) queue.push(...value.filter((item) => item !== null))
    if (!isNode(value)) continue
    if (value.type === 'ImportDeclaration' || value.type === 'ImportExpression') refuse(value, noImports)
    if (Reflect.get(value, 'async') === true) refuse(value, noAsync)
    if (
      value.type === 'MetaProperty' &&
      isNode(Reflect.get(value, 'meta')) &&
      Reflect.get(Reflect.get(value, 'meta'), 'name') === 'import'
    ) {
      refuse(value, 'import.meta is not to be had in an ETL')
    }
    for (const child of Object.values(value))
      if (typeof child === 'object' && child !== null) queue.push(child)
  }
}

function nameOf(node: unknown): string {
  return String(Reflect.get(node as object, 'name') ?? Reflect.get(node as object, 'value'))
}

/** Exported name → local name; and the spans of `export` to blank out. */
function readExports(root: SyntaxNode) {
  const locals = new Map<string, string>()
  const blanks: [start: number, end: number][] = []
  for (const node of Reflect.get(root, 'body') as SyntaxNode[]) {
    if (node.type === 'ExportDefaultDeclaration')
      refuse(node, 'an ETL exports by name: export function transform(row) or extract(rows), not a default')
    if (node.type === 'ExportAllDeclaration') refuse(node, noImports)
    if (node.type !== 'ExportNamedDeclaration') continue
    if (isNode(Reflect.get(node, 'source'))) refuse(node, noImports)
    const declaration: unknown = Reflect.get(node, 'declaration')
    if (!isNode(declaration)) {
      blanks.push([node.start, node.end])
      for (const specifier of Reflect.get(node, 'specifiers') as object[]) {
        locals.set(nameOf(Reflect.get(specifier, 'exported')), nameOf(Reflect.get(specifier, 'local')))
      }
      continue
    }
    blanks.push([node.start, declaration.start])
    const id: unknown = Reflect.get(declaration, 'id')
    const declared = isNode(id)
      ? [id]
      : (Reflect.get(declaration, 'declarations') as object[]).map((one) => Reflect.get(one, 'id'))
    for (const one of declared)
      if (isNode(one) && one.type === 'Identifier') locals.set(nameOf(one), nameOf(one))
  }
  return { locals, blanks }
}

/**
 * The text of a module that exports `instantiate()`, which runs the script's body and gives what it exports. The body
 * begins on the module's second line, so that with a line offset of -1 the script's own lines and columns are told.
 */
export function wrapScript(script: ScriptSource): string {
  const code = stripTypes(script).replace(/^#!.*/, (line) => ' '.repeat(line.length))
  const root = parseModule(code)
  refuseImportsAndAsync(root)
  const { locals, blanks } = readExports(root)
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
  let body = ''
  let end = 0
  for (const [start, stop] of blanks) {
    body += code.slice(end, start) + code.slice(start, stop).replace(/[^\n\r\u2028\u2029]/g, ' ')
    end = stop
  }
  body += code.slice(end)
  const given = ['transform', 'extract', 'columns'].flatMap((name) => {
    const local = locals.get(name)
    return local === undefined ? [] : `${name}: ${local}`
  })
  return `export function instantiate() {\n${body}\n;return { ${given.join(', ')} }\n}`
}
