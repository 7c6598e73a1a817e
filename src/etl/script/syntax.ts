// A module's syntax tree: parsed, its faults told with line and column, and held against another.

import { parse } from 'acorn'
import { messageOf } from '../../errors.ts'
import type { Failure } from './isolate/evaluation.ts'

export class ScriptError extends Error {
  readonly failure: Failure
  constructor(message: string, place: { line?: number; column?: number } = {}) {
    super(message)
    this.failure = { kind: 'load', message, ...place }
  }
}

export interface SyntaxNode {
  type: string
  start: number
  end: number
  loc: { start: Position; end: Position }
}

interface Position {
  line: number
  column: number
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value
}

/** Columns are told from 1. */
export function refuse(node: SyntaxNode, message: string): never {
  const { line, column } = node.loc.start
  throw new ScriptError(message, { line, column: column + 1 })
}

export function parseModule(code: string): SyntaxNode {
  try {
    const options = { ecmaVersion: 'latest', sourceType: 'module', locations: true } as const
    return parse(code, options) as unknown as SyntaxNode
  } catch (error) {
    const at = (error as { loc?: Position }).loc
    const message = messageOf(error).replace(/ \(\d+:\d+\)$/, '')
    throw new ScriptError(message, at === undefined ? {} : { line: at.line, column: at.column + 1 })
  }
}

/** Whether two trees, or parts of them, say the same in the same columns, the second so many lines further down. */
export function isSameTree(one: unknown, other: unknown, lines: number): boolean {
  if (typeof one !== 'object' || one === null || typeof other !== 'object' || other === null)
    return Object.is(one, other)
  if (one instanceof RegExp) return other instanceof RegExp && String(one) === String(other)
  const keys = Object.keys(one)
  if (keys.length !== Object.keys(other).length) return false
  return keys.every((key) => {
    const [own, its]: unknown[] = [Reflect.get(one, key), Reflect.get(other, key)]
    if (key === 'line') return Number(own) + lines === its
    if (isNode(one) && (key === 'start' || key === 'end')) return true
    return isSameTree(own, its, lines)
  })
}
