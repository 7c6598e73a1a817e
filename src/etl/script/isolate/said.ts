// What a script says by console, kept within bounds for whoever trains with it. To tell what it gives runs none of its code:
// whether lines are kept, and how many, changes nothing that it could notice.

import { noteSaid } from './evaluation.ts'
import { limits } from './limits.ts'
import { isProxy } from './traps.ts'

/** What was said; `left` counts the lines that were too many. */
export interface Said {
  lines: string[]
  left: number
}

// Taken before a script runs.
const { getOwnPropertyDescriptor, keys } = Object
const { getTime, toISOString } = Date.prototype
const { apply } = Reflect
const isError: (value: unknown) => boolean = Reflect.get(Error, 'isError')

const max = { depth: 4, items: 100 }
let isKept = false
let said: Said = { lines: [], left: 0 }
let room: number = limits.saidCharacters

export const saidAs = {
  log: '',
  info: '',
  debug: '',
  warn: '[warn] ',
  error: '[error] ',
  table: '',
  trace: '',
} as const

/** From here on lines are kept, or are not. */
export function listen(keep: boolean): void {
  isKept = keep
  said = { lines: [], left: 0 }
  room = limits.saidCharacters
}

export function say(method: keyof typeof saidAs, values: readonly unknown[]): void {
  if (!isKept) return
  noteSaid()
  if (said.lines.length >= limits.saidLines || room <= 0) {
    said.left++
    return
  }
  let line: string = saidAs[method]
  for (let i = 0; i < values.length && line.length < limits.saidLineCharacters; i++)
    line += `${i === 0 ? '' : ' '}${textOf(values[i], 0)}`
  if (line.length > limits.saidLineCharacters) line = `${line.slice(0, limits.saidLineCharacters)}…`
  room -= line.length
  said.lines[said.lines.length] = line.toWellFormed()
}

/** What was said since `listen`, as JSON. */
export function takeSaid(): string {
  const text = JSON.stringify(said)
  listen(isKept)
  return text
}

function textOf(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return depth === 0 ? cut(value) : JSON.stringify(cut(value))
    case 'bigint':
      return `${value}n`
    case 'symbol':
      return `Symbol(${value.description ?? ''})`
    case 'function':
      return '[function]'
    case 'object':
      return value === null ? 'null' : textOfObject(value, depth)
    default:
      return Object.is(value, -0) ? '-0' : String(value)
  }
}

function cut(text: string): string {
  return text.length > limits.saidLineCharacters ? `${text.slice(0, limits.saidLineCharacters)}…` : text
}

function textOfObject(value: object, depth: number): string {
  if (isProxy(value)) return '[Proxy]'
  if (depth >= max.depth) return Array.isArray(value) ? '[…]' : '{…}'
  const time = timeOf(value)
  if (time !== null) return time
  if (isError(value)) return `Error: ${messageOf(value)}`
  if (Array.isArray(value)) {
    const count = Math.min(value.length, max.items)
    const items = Array.from({ length: count }, (_, i) => textOfOwn(value, String(i), depth))
    return `[${items.join(', ')}${value.length > count ? ', …' : ''}]`
  }
  const names = keys(value)
  const fields = names
    .slice(0, max.items)
    .map((name) => `${JSON.stringify(cut(name))}: ${textOfOwn(value, name, depth)}`)
  return `{${fields.join(', ')}${names.length > max.items ? ', …' : ''}}`
}

function messageOf(error: object): string {
  const message: unknown = getOwnPropertyDescriptor(error, 'message')?.value
  return typeof message === 'string' ? cut(message) : ''
}

/** Of what stands behind a getter nothing is told. */
function textOfOwn(value: object, key: string, depth: number): string {
  const property = getOwnPropertyDescriptor(value, key)
  if (property === undefined) return 'undefined'
  return 'value' in property ? textOf(property.value, depth + 1) : '[getter]'
}

function timeOf(value: object): string | null {
  try {
    return Number.isNaN(apply(getTime, value, [])) ? 'Invalid Date' : apply(toISOString, value, [])
  } catch {
    return null
  }
}
