// Nothing of one row reaches the next, and what runs is what was judged.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { column, type EngineStack, errorOf, frameOf, javaScript, openEngineStack } from './engine-stack.ts'
import { walkSource } from './reachable.ts'

let stack: EngineStack

beforeAll(async () => {
  stack = await openEngineStack()
})
afterAll(() => stack.close())

const columns = [column('id', 'INT64', { nullable: false })]
const rows = [[1], [2], [3]]

/** The same script's output of the same rows, trained and served. */
async function runBoth(source: string) {
  const trained = await stack.train(javaScript(source), { columns, rows })
  const served = frameOf(await stack.serve(javaScript(source), { columns, rows }))
  expect(served.rows).toEqual(trained.rows)
  return trained.rows
}

describe('a script finds nothing of what runs it', () => {
  test.each([
    'instantiate',
    'position',
    'makers',
    'begin',
    'wrapper',
    'module',
    'exports',
    'globalThis.constructor.caller',
  ])('%s', async (name) => {
    const source = `export function transform(row) { const previous = ${name}.previous; ${name}.previous = row.id; return { previous: previous ?? null } }`
    expect(errorOf(await stack.serve(javaScript(source), { columns, rows }))).toMatchObject({
      code: 'ETL_FAILED',
      details: { row: 1 },
    })
  })

  test('nor arguments of its own module', async () => {
    const source = `const kind = typeof arguments\nexport function transform(row) { return { kind, here: typeof this } }`
    expect(await runBoth(source)).toEqual(rows.map(() => ['undefined', 'undefined']))
  })

  test('also where its own code would end the function around it', async () => {
    const source = [
      'const a = 1',
      'export { transform };',
      '/ 1; return { transform: (row) => ({ now: leak.now() }) } } const leak = { now: Date.now }; function rest() { const b = 1 /',
      '1',
      'function transform(row) { return { a, id: row.id } }',
    ].join('\n')
    expect(await runBoth(source)).toEqual([
      [1, 1],
      [1, 2],
      [1, 3],
    ])
  })

  test('nor in the stack of an error, which is the same in training as in serving', async () => {
    const source = `function inner() { return new Error('deep').stack }
export function transform(row) {
  const own = {}
  Error.captureStackTrace(own)
  return { text: inner(), own: own.stack, lines: [1].map(() => new RangeError('r').stack)[0] }
}`
    const [row] = await runBoth(source)
    expect(row).toEqual([
      'Error: deep\n    at inner (etl:1:27)\n    at transform (etl:5:18)',
      'Error\n    at transform (etl:4:9)',
      'RangeError: r\n    at etl:5:64\n    at transform (etl:5:54)',
    ])
  })
})

describe('of everything that a script can reach', () => {
  test('what is shared is frozen and holds no state', async () => {
    const source = `${walkSource}
      const holders = {
        map: (o) => Map.prototype.has.call(o, 1), set: (o) => Set.prototype.has.call(o, 1),
        weakMap: (o) => WeakMap.prototype.has.call(o, o), weakSet: (o) => WeakSet.prototype.has.call(o, o),
        date: (o) => Date.prototype.getTime.call(o), buffer: (o) => Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'byteLength').get.call(o),
        view: (o) => DataView.prototype.getInt8.call(o, 0), disposable: (o) => DisposableStack.prototype.adopt.call(o, 1, () => 1),
        bytes: (o) => { if (!ArrayBuffer.isView(o)) throw 0 },
        pattern: (o) => { if (o === RegExp.prototype) throw 0; RegExp.prototype.compile.call(o, 'x') },
        generator: (o) => Object.getPrototypeOf(function* () {}).prototype.next.call(o),
        values: (o) => Object.getPrototypeOf([].values()).next.call(o),
      }
      export const columns = { faults: 'JSON' }
      export function transform(row) {
        const faults = []
        const fresh = /^(row|own\\.[^.]+)(\\.(prototype|constructor|a|groups|indices|errors|p\\.get))*(\\.[01])?$/
        let count = 0
        for (const [path, object, isShared] of walk(row)) {
          if (!isShared && (fresh.test(path) || /^own\\.(running|extended)\\.\\[\\[Prototype\\]\\](\\.constructor)?$/.test(path))) continue
          count++
          if (!Object.isFrozen(object)) faults.push(path + ' is not frozen')
          for (const [kind, use] of Object.entries(holders)) {
            try { use(object) } catch { continue }
            faults.push(path + ' is a ' + kind)
          }
        }
        return { faults, count }
      }`
    for (const row of await runBoth(source)) {
      expect(row[0]).toEqual([])
      expect(row[1]).toBeGreaterThan(700)
    }
  })

  test('no mark that one row leaves is there in the next', async () => {
    const source = `${walkSource}
      const mark = Symbol.for('mark')
      class Stamp extends (function (object) { return object }) {
        #stamp = 1
        static has(object) { return #stamp in object }
      }
      const marks = {
        property: [(o) => { o.mark = 1 }, (o) => Object.hasOwn(o, 'mark')],
        symbol: [(o) => { o[mark] = 1 }, (o) => Object.hasOwn(o, mark)],
        defined: [(o) => Object.defineProperty(o, 'defined', { value: 1 }), (o) => Object.hasOwn(o, 'defined')],
        getter: [(o) => o.__defineGetter__('got', () => 1), (o) => Object.hasOwn(o, 'got')],
        prototype: [(o) => Object.setPrototypeOf(o, marks), (o) => Object.getPrototypeOf(o) === marks],
        index: [(o) => { o[7] = 1 }, (o) => Object.hasOwn(o, 7)],
        position: [(o) => { o.lastIndex = 5 }, (o) => o.lastIndex === 5],
        stamp: [(o) => new Stamp(o), (o) => Stamp.has(o)],
        deleted: [(o) => { delete o.name }, () => false],
        key: [(o) => Map.prototype.set.call(o, 'mark', 1), (o) => Map.prototype.has.call(o, 'mark')],
        time: [(o) => Date.prototype.setTime.call(o, 77), (o) => Date.prototype.getTime.call(o) === 77],
        byte: [(o) => Uint8Array.prototype.fill.call(o, 77), (o) => Uint8Array.prototype.at.call(o, 0) === 77],
        step: [(o) => o.next(), () => false],
      }
      const attempt = (work) => { try { return work() === true } catch { return false } }
      export const columns = { found: 'JSON' }
      export function transform(row) {
        const found = []
        const all = walk(row)
        for (const [path, object] of all)
          for (const [name, [, isThere]] of Object.entries(marks))
            if (attempt(() => isThere(object))) found.push(path + ' has ' + name)
        for (const [, object] of all)
          for (const [leave] of Object.values(marks)) attempt(() => leave(object))
        return { found, count: all.length, keys: all.reduce((sum, [, object]) => sum + Reflect.ownKeys(object).length, 0) }
      }`
    const rows = await runBoth(source)
    const [first] = rows
    expect(first?.[0]).toEqual([])
    expect(first?.[1]).toBeGreaterThan(700)
    expect(rows).toEqual(rows.map(() => first))
  })
})
