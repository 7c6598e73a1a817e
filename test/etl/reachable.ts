// Source for an ETL: a walk over everything that a script can reach, from its globals and from one of each kind of object
// that its own code can make.

/** `walk(row)` gives `[path, object, isShared]` of each; what the script's own code has just made is not shared. */
export const walkSource = `
function captured() { const object = {}; Error.captureStackTrace(object); return object }
function thrown() { try { null.x } catch (error) { return error } }
function overflow() { try { return overflow() } catch (error) { return error } }
function own() {
  const template = (strings) => strings
  const revocable = Proxy.revocable({}, {})
  class Private { #p = 1; static #s = 2; static { this.block = 1 } get p() { return this.#p } }
  const format = new Intl.DateTimeFormat('en')
  return {
    self: own, here: this, args: (function () { return arguments })(1), arrow: () => 1,
    plain: function () {}, method: { m() {} }.m, getter: Object.getOwnPropertyDescriptor({ get g() { return 1 } }, 'g').get,
    generator: function* () { yield 1 }, running: (function* () { yield 1 })(), Class: Private, instance: new Private(),
    extended: new (class extends Array {})(), bound: (function () {}).bind(null),
    template: template\`a\${1}b\`, again: template\`a\${1}b\`, registered: Object(Symbol.for('kept')),
    match: /(?<x>a)/d.exec('a'), matches: 'aa'.matchAll(/a/g), pattern: /a/y,
    error: new Error('e'), thrown: thrown(), captured: captured(), overflow: overflow(),
    aggregate: new AggregateError([1]), suppressed: new SuppressedError(1, 2),
    array: [1], values: [1].values(), text: ''[Symbol.iterator](), map: new Map([[1, 2]]), mapValues: new Map().values(),
    set: new Set([1]), setValues: new Set().values(), weak: new WeakMap(), weakSet: new WeakSet(),
    helper: [1].values().map((x) => x), wrapped: Iterator.from({ next() { return { done: true } } }),
    date: new Date(0), boxed: Object('x'), number: Object(1), big: Object(1n), yes: Object(true),
    buffer: new ArrayBuffer(8), view: new DataView(new ArrayBuffer(8)), bytes: new Uint8Array(2),
    stack: new DisposableStack(), revoke: revocable.revoke, proxy: new Proxy({}, {}),
    format, formatOf: format.format, compare: new Intl.Collator('en').compare, number1: new Intl.NumberFormat('en').format,
    segments: new Intl.Segmenter('en').segment('a b'), segment: new Intl.Segmenter('en').segment('a b')[Symbol.iterator](),
    plural: new Intl.PluralRules('en'), list: new Intl.ListFormat('en'), parsed: JSON.parse('{"a":[1]}'),
    grouped: Object.groupBy([1], () => 'a'), raw: JSON.rawJSON('1'), species: Array[Symbol.species],
  }
}

function walk(row) {
  const seen = new Set()
  const found = []
  const queue = [['globalThis', globalThis, true], ['row', row, false]]
  for (const [name, made] of Object.entries(own())) queue.push(['own.' + name, made, false])
  while (queue.length > 0) {
    const [path, object, isShared] = queue.shift()
    if (object === null || (typeof object !== 'object' && typeof object !== 'function') || seen.has(object)) continue
    seen.add(object)
    found.push([path, object, isShared])
    queue.push([path + '.[[Prototype]]', Object.getPrototypeOf(object), isShared])
    for (const key of Reflect.ownKeys(object)) {
      const property = Object.getOwnPropertyDescriptor(object, key)
      for (const part of ['value', 'get', 'set'])
        if (part in property) queue.push([path + '.' + String(key) + (part === 'value' ? '' : '.' + part), property[part], isShared])
    }
  }
  return found
}
`
