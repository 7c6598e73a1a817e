// Makes a context pure before an ETL's code runs in it: no clock, no randomness, nothing that outlives a row.

import { saidAs, say } from './said.ts'
import { watchForTraps } from './traps.ts'

// As it was before lockdown, which watches for scripts that call it.
const { defineProperty } = Object

const outside = [
  'fetch',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'require',
  'importScripts',
]
/** Without promises no code can wait to run later, in another row's time; script.ts refuses what would make one. */
const removed = [
  'Promise',
  'AsyncDisposableStack',
  'WebAssembly',
  'SharedArrayBuffer',
  'Atomics',
  'WeakRef',
  'FinalizationRegistry',
  'Temporal',
  'eval',
]

/** What the script's module is called in its isolate. */
export const scriptName = 'etl'

function refuse(what: string): never {
  throw new TypeError(`${what} is not to be had in an ETL: the same rows must always give the same result`)
}

function define(target: object, name: PropertyKey, value: unknown): void {
  defineProperty(target, name, { value, writable: true, enumerable: false, configurable: true })
}

function remove(target: object, name: PropertyKey): void {
  if (!Reflect.deleteProperty(target, name)) throw new Error(`${String(name)} cannot be taken from an ETL`)
}

function replaceClock(): void {
  const RealDate = Date
  function PureDate(this: unknown, ...args: unknown[]): object {
    if (new.target === undefined) refuse('The clock (Date())')
    if (args.length === 0) refuse('The clock (new Date())')
    return Reflect.construct(RealDate, args, new.target)
  }
  define(PureDate, 'name', 'Date')
  define(PureDate, 'UTC', RealDate.UTC)
  define(PureDate, 'parse', RealDate.parse)
  define(PureDate, 'now', () => refuse('The clock (Date.now)'))
  defineProperty(PureDate, 'prototype', { value: RealDate.prototype, writable: false })
  define(RealDate.prototype, 'constructor', PureDate)
  define(globalThis, 'Date', PureDate)
  replaceImplicitNow()
}

/** A date format without a date means now. */
function replaceImplicitNow(): void {
  const prototype = Intl.DateTimeFormat.prototype
  const getter = Object.getOwnPropertyDescriptor(prototype, 'format')?.get
  if (getter === undefined) return
  defineProperty(prototype, 'format', {
    configurable: true,
    get(this: unknown) {
      const format: (date: unknown) => string = Reflect.apply(getter, this, [])
      return (date: unknown) => (date === undefined ? refuse('The clock (format of no date)') : format(date))
    },
  })
  const parts = prototype.formatToParts
  define(
    prototype,
    'formatToParts',
    function formatToParts(this: Intl.DateTimeFormat, date: Date | undefined) {
      return date === undefined
        ? refuse('The clock (formatToParts of no date)')
        : Reflect.apply(parts, this, [date])
    },
  )
}

/** No code from text: it could hold what script.ts refuses. */
function refuseCodeFromText(): void {
  const makers = [
    function plain() {},
    function* generator() {},
    async function asynchronous() {},
    async function* asyncGenerator() {},
  ]
  for (const maker of makers) {
    const prototype = Object.getPrototypeOf(maker)
    function Refused(): never {
      return refuse('Code from text (eval, new Function)')
    }
    defineProperty(Refused, 'prototype', { value: prototype, writable: false })
    defineProperty(prototype, 'constructor', { value: Refused, writable: false, configurable: true })
    if (prototype === Function.prototype) define(globalThis, 'Function', Refused)
  }
  Reflect.deleteProperty(Array, 'fromAsync')
}

/** What the engine keeps for all code is found through these, and not by a property search from globalThis. */
function hiddenIntrinsics(): unknown[] {
  const prototypeOf = Object.getPrototypeOf
  const captured = {}
  Error.captureStackTrace(captured)
  return [
    new Error('an error has a getter for its stack'),
    captured,
    prototypeOf(function* () {}),
    prototypeOf(async () => {}),
    prototypeOf(async function* () {}),
    prototypeOf([][Symbol.iterator]()),
    prototypeOf(''[Symbol.iterator]()),
    prototypeOf(new Map()[Symbol.iterator]()),
    prototypeOf(new Set()[Symbol.iterator]()),
    prototypeOf(''.matchAll(/x/g)),
    prototypeOf([].values().map((x) => x)),
    prototypeOf(Iterator.from({ next: () => ({ done: true, value: undefined }) })),
    prototypeOf(new Intl.Segmenter('en').segment('')),
    prototypeOf(new Intl.Segmenter('en').segment('')[Symbol.iterator]()),
    prototypeOf(Int8Array),
    Object.getOwnPropertyDescriptor(
      (() => {
        return (function strict(): object {
          // biome-ignore lint/complexity/noArguments: a strict function's arguments lead to %ThrowTypeError%
          return arguments
        })()
      })(),
      'callee',
    )?.get,
  ]
}

/** So that `x.name = …` works on an error or an object although its frozen prototype has a `name`: it makes an own property. */
function allowOverride(prototype: object): void {
  for (const key of Reflect.ownKeys(prototype)) {
    const property = Object.getOwnPropertyDescriptor(prototype, key)
    if (property === undefined || !('value' in property) || !property.configurable) continue
    const value: unknown = property.value
    defineProperty(prototype, key, {
      configurable: true,
      enumerable: property.enumerable ?? false,
      get: () => value,
      set(this: object, own: unknown) {
        if (this === prototype) throw new TypeError(`Cannot assign to ${String(key)} of a shared prototype`)
        defineProperty(this, key, { value: own, writable: true, enumerable: true, configurable: true })
      },
    })
  }
}

function freezeAll(roots: readonly unknown[]): void {
  const seen = new Set<object>()
  const queue: object[] = []
  const visit = (value: unknown) => {
    if (value === null || (typeof value !== 'object' && typeof value !== 'function') || seen.has(value))
      return
    seen.add(value)
    queue.push(value)
  }
  roots.forEach(visit)
  for (let object = queue.pop(); object !== undefined; object = queue.pop()) {
    visit(Object.getPrototypeOf(object))
    for (const key of Reflect.ownKeys(object)) {
      const property = Object.getOwnPropertyDescriptor(object, key)
      visit(property?.value)
      visit(property?.get)
      visit(property?.set)
    }
  }
  for (const object of seen) Object.freeze(object)
}

/** A stack tells of the ETL's own code alone, as `etl:line:column`: what calls it differs between training and serving. */
function tellOwnStack(): void {
  const headOf = Error.prototype.toString
  define(Error, 'prepareStackTrace', (error: Error, sites: readonly NodeJS.CallSite[]) => {
    const lines = [Reflect.apply(headOf, error, [])]
    for (const site of sites) {
      if (site.getFileName() !== scriptName) continue
      const place = `${scriptName}:${site.getLineNumber()}:${site.getColumnNumber()}`
      const name = site.getFunctionName()
      lines.push(name === null ? `    at ${place}` : `    at ${name} (${place})`)
    }
    return lines.join('\n')
  })
  Error.stackTraceLimit = 50
}

function giveConsole(): void {
  const methods = Object.keys(saidAs) as (keyof typeof saidAs)[]
  const console = methods.map((name) => [name, (...values: unknown[]) => say(name, values)])
  define(globalThis, 'console', Object.fromEntries(console))
}

export function lockDown(): void {
  for (const name of removed) remove(globalThis, name)
  for (const name of outside) define(globalThis, name, () => refuse(name))
  giveConsole()
  refuseCodeFromText()
  watchForTraps()
  tellOwnStack()
  define(Math, 'random', () => refuse('Randomness (Math.random)'))
  replaceClock()
  // RegExp.$1 and its like tell of the last match, which may have been another row's.
  for (const key of Reflect.ownKeys(RegExp)) {
    const property = Object.getOwnPropertyDescriptor(RegExp, key)
    if (property?.get !== undefined && key !== Symbol.species) Reflect.deleteProperty(RegExp, key)
  }
  const errors = [
    Error,
    EvalError,
    RangeError,
    ReferenceError,
    SyntaxError,
    TypeError,
    URIError,
    AggregateError,
  ]
  for (const prototype of [Object.prototype, ...errors.map((error) => error.prototype)])
    allowOverride(prototype)
  freezeAll([globalThis, ...hiddenIntrinsics()])
}
