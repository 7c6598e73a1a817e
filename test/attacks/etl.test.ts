// ETLs written to get out of their sandbox, to reach what another holds, or to bring the gateway down.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createFolder } from '../servers/child.ts'
import { marker, openTarget, type Target } from './gateway.ts'

let folder: Awaited<ReturnType<typeof createFolder>>
let target: Target
let queryId: string
let files = 0

beforeAll(async () => {
  folder = await createFolder('attack-etls')
  await mkdir(join(folder.path, 'etl'))
  target = await openTarget({
    ETL_SOURCES: join(folder.path, 'etl'),
    ETL_TIMEOUT_MS: '2000',
    ETL_MEMORY_MB: '64',
  })
  const { queryTrain } = await target.data<{ queryTrain: { query: { id: string } } }>(
    `mutation { queryTrain(query: "SELECT 'k' AS k, 1 AS n", queryName: "rows") { query { id } } }`,
  )
  queryId = queryTrain.query.id
})

afterAll(async () => {
  await target?.close()
  await folder?.remove()
})

const document = `query ($id: ID!, $path: String!) {
  extractRealtime(queryId: $id, etlPath: $path, indexKey: "k", indexValue: "k") { rows error { code message } }
}`

/** Runs a source as an ETL over `{ k: 'k', n: 1 }`: the rows, or the error's code and message. */
async function run(source: string, extension = 'js') {
  const path = join(folder.path, 'etl', `attack-${files++}.${extension}`)
  await writeFile(path, source)
  const answer = await target.graphql(document, { id: queryId, path: `file:${path}` })
  expect(JSON.stringify(answer)).not.toContain(marker)
  const [error] = answer.errors ?? []
  if (error !== undefined) return { code: error.extensions.code, message: error.message }
  const found = answer.data?.extractRealtime as {
    rows: unknown
    error: { code: string; message: string } | null
  }
  return found.error ?? { code: 'OK', rows: found.rows }
}

const healthy = 'export function transform(row) { return { n: row.n } }'

afterEach(async () => {
  expect(await run(healthy)).toEqual({ code: 'OK', rows: [{ n: 1 }] })
})

describe('a script gets no hold of anything outside:', () => {
  test.each([
    ['constructor of a function', 'row.constructor.constructor("return process")().env'],
    ['constructor of an error', 'new Error().constructor.constructor("return process")()'],
    ['constructor of a generator', 'Object.getPrototypeOf(function* () {}).constructor("yield process")'],
    [
      'constructor reached by reflection',
      'Reflect.construct(Reflect.getPrototypeOf(() => {}).constructor, ["return 1"])',
    ],
    ['constructor by bind', 'Function.prototype.bind.constructor("return process")()'],
    ['caller', '(function f() { return f.caller.constructor("return process")() })()'],
    [
      'the stack’s frames',
      '(Error.prepareStackTrace = (_, frames) => frames[0].getThis(), new Error().stack.process.env)',
    ],
    [
      'the stack’s frames, captured',
      '(() => { const o = {}; Error.captureStackTrace(o); return o.stack[0].getThis().process })()',
    ],
    ['global', 'global.process.env'],
    ['globalThis', 'globalThis.process.env.ATTACK_MARKER'],
    ['this of a sloppy function', '(0, function () { return this.process.env })()'],
    ['a binding of the process', 'process.binding("fs")'],
    ['a module', 'module.constructor._load("fs")'],
    [
      'a proxy’s handler',
      'new Proxy({}, { get(t, k, r) { return r.constructor.constructor("return process")() } }).a()',
    ],
    ['a getter on a frozen prototype', 'Object.prototype.__defineGetter__("n", () => 7)'],
    ['a method of arrays', '(Array.prototype.map = () => [process], 1)'],
    ['a new property of globalThis', '(globalThis.kept = row, globalThis.kept.n)'],
    ['the prototype of Object', 'Object.setPrototypeOf(Object.prototype, { polluted: 1 })'],
    ['an ICU locale from outside', 'Intl.DateTimeFormat().resolvedOptions().env.x'],
  ])('%s', async (_name, expression) => {
    const found = await run(`export function transform(row) { return { v: String(${expression}) } }`)
    expect(found.code).toBe('ETL_FAILED')
  })

  test.each([
    ['a dynamic import', 'export async function transform() { return import("fs") }'],
    ['an import', 'import fs from "fs"\nexport function transform() { return { v: fs.readdirSync("/") } }'],
    ['an import by its escaped name', 'export function transform() { return { v: im\\u0070ort("fs") } }'],
    ['import.meta', 'export function transform() { return { v: import.meta.url } }'],
    ['an await', 'export async function transform(row) { await row; return row }'],
    ['the end of its wrapper', 'export function transform(row) { return row }\n} evil(); {'],
    [
      'a return of its own module',
      'return { transform: () => ({ n: 9 }) }\nexport function transform(row) { return row }',
    ],
    [
      'nesting beyond the parser’s stack',
      `export const x = ${'('.repeat(200_000)}1${')'.repeat(200_000)}; ${healthy}`,
    ],
    [
      'types nested beyond the parser’s stack',
      `type A = ${'['.repeat(100_000)}1${']'.repeat(100_000)}\n${healthy}`,
    ],
    ['a loop while it is loaded', `for (;;);\n${healthy}`],
    ['memory while it is loaded', `const all = []; for (;;) all.push(new Array(1e5).fill(1))\n${healthy}`],
  ])('%s', async (name, source) => {
    const { code } = await run(source, name.startsWith('types') ? 'ts' : 'js')
    expect(code).toMatch(/^(ETL_LOAD_FAILED|TIMEOUT)$/)
  })
})

describe('results that are no plain data, or too much of it, are an error or exactly what they seem:', () => {
  test.each<[name: string, body: string, code: string, rows?: unknown]>([
    ['a thenable', 'return { then: (go) => go({ n: 9 }) }', 'ETL_FAILED'],
    ['a toJSON', 'return { v: { toJSON: () => ({ stolen: 1 }) } }', 'ETL_FAILED'],
    ['a getter', 'return { get v() { return 5 } }', 'ETL_FAILED'],
    ['a getter that loops', 'return { get v() { for (;;); } }', 'ETL_FAILED'],
    ['a getter that throws', 'return { get v() { throw new Error("no") } }', 'ETL_FAILED'],
    [
      'a key __proto__',
      'return JSON.parse(\'{"__proto__": 5, "n": 1}\')',
      'OK',
      [JSON.parse('{"__proto__": 5, "n": 1}')],
    ],
    [
      'a key constructor',
      'return { constructor: 5, prototype: 6 }',
      'OK',
      [{ constructor: 5, prototype: 6 }],
    ],
    [
      'a nested __proto__',
      'return { v: JSON.parse(\'{"__proto__": {"polluted": 1}}\') }',
      'OK',
      [{ v: JSON.parse('{"__proto__": {"polluted": 1}}') }],
    ],
    ['a prototype of its own', 'return Object.create({ n: 9 })', 'ETL_FAILED'],
    [
      'a proxy that changes',
      'let i = 0; return { v: new Proxy([1], { get: (t, k) => k === "length" ? ++i * 1e9 : 1 }) }',
      'ETL_FAILED',
    ],
    ['an array without end', 'return { v: new Array(4294967295) }', 'ETL_FAILED'],
    ['a text of 400 MB', 'return { v: "x".repeat(4e8) }', 'ETL_FAILED or TIMEOUT'],
    ['nesting without end', 'let v = 1; for (let i = 0; i < 1e5; i++) v = [v]; return { v }', 'ETL_FAILED'],
    [
      'a hundred thousand columns',
      'const o = {}; for (let i = 0; i < 1e6; i++) o["c" + i] = i; return o',
      'ETL_FAILED or TIMEOUT or TOO_LARGE',
    ],
    ['half a character', 'return { v: "\\ud800" }', 'OK', [{ v: '\ufffd' }]],
    ['a NUL', 'return { v: "a\\0b" }', 'OK', [{ v: 'a\0b' }]],
    ['a giant integer', 'return { v: 10n ** 10000n }', 'ETL_FAILED'],
    ['an exploding expression', 'return { v: /^(a|a)*$/.test("a".repeat(40) + "b") }', 'TIMEOUT'],
    ['a huge buffer', 'return { v: new Uint8Array(2 ** 33) }', 'ETL_FAILED'],
    ['many buffers', 'const all = []; for (;;) all.push(new Uint8Array(1e8).fill(1))', 'ETL_FAILED'],
    ['a sort that never ends', 'return { v: [3, 2, 1].sort(() => { for (;;); }) }', 'TIMEOUT'],
  ])('%s', async (_name, body, code, rows) => {
    const found = await run(`export function transform(row) { ${body} }`)
    expect(code.split(' or ')).toContain(found.code)
    if (rows !== undefined) expect(found.rows).toEqual(rows)
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
  })
})

describe('one ETL sees nothing of another:', () => {
  test('what one leaves on every object it can reach, the next does not find', async () => {
    const leave = `for (const o of [globalThis, Object, Array, Math, JSON, Object.prototype, Function.prototype, RegExp, Intl, Error])
      try { o.left = '${marker}-other' } catch {}`
    const look = `for (const o of [globalThis, Object, Array, Math, JSON, Object.prototype, Function.prototype, RegExp, Intl, Error])
      if (o.left !== undefined) return { v: o.left }
      return { v: 'nothing' }`
    await run(`export function transform(row) { ${leave}; return row }`)
    expect(await run(`export function transform() { ${look} }`)).toEqual({
      code: 'OK',
      rows: [{ v: 'nothing' }],
    })
    const both = await run(
      `export function transform(row) { ${look.replace("return { v: 'nothing' }", '')} ${leave}; return { v: 'nothing' } }`,
    )
    expect(both).toEqual({ code: 'OK', rows: [{ v: 'nothing' }] })
  })

  test.each([
    ['other tables', 'SELECT * FROM feature_store.users'],
    ['files', `SELECT * FROM read_text('/etc/passwd')`],
    ['a file by its name', `SELECT * FROM '/etc/passwd'`],
    ['settings', `SELECT current_setting('temp_directory') AS v FROM input`],
    ['the environment', `SELECT getenv('PATH') AS v FROM input`],
    ['other statements’ input', 'SELECT * FROM temp.frames'],
    ['the engine’s views', 'SELECT * FROM duckdb_views'],
    [
      'the engine’s views by a Kelvin sign',
      'WITH "duc\u212adb_tables" AS (SELECT 1) SELECT * FROM duckdb_tables',
    ],
    ['the clock', 'SELECT now() AS v FROM input'],
    ['randomness', 'SELECT random() AS v FROM input'],
    ['another statement', 'SELECT 1 AS v FROM input; SELECT 2'],
    ['a write', "COPY input TO '/tmp/attack.csv'"],
  ])('a SQL ETL not %s', async (_name, sql) => {
    expect((await run(sql, 'sql')).code).toBe('ETL_LOAD_FAILED')
  })

  test.each([
    ['a list beyond memory', 'SELECT len(range(2000000000 + n)) AS v FROM input'],
    [
      'an endless join',
      'SELECT count(*) AS v FROM input, range(10000000) a, range(10000000) b WHERE a.range + b.range <> n',
    ],
  ])('a SQL ETL that asks for %s ends', async (_name, sql) => {
    expect((await run(sql, 'sql')).code).toMatch(/^(TIMEOUT|TOO_LARGE|ETL_FAILED)$/)
  })
})

/** The processes that run JavaScript ETLs. */
function children(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1] === String(process.pid) &&
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('etl/script/child.ts')
        )
      } catch {
        return false
      }
    })
}

describe('the process that scripts run in', () => {
  test('has nothing of the gateway’s environment, and none of its files open', async () => {
    await run(healthy)
    expect(children().length).toBeGreaterThan(0)
    for (const pid of children()) {
      const names = readFileSync(`/proc/${pid}/environ`, 'utf8')
        .split('\0')
        .map((line) => line.split('=')[0] ?? '')
      expect(
        names.filter((name) => !/^(TZ|LC_ALL|NODE_CHANNEL_\w+|NODE_COMPILE_CACHE|)$/.test(name)),
      ).toEqual([])
      const open = readdirSync(`/proc/${pid}/fd`).map((fd) => {
        try {
          return readlinkSync(`/proc/${pid}/fd/${fd}`)
        } catch {
          return ''
        }
      })
      expect(open.filter((path) => path.startsWith(target.folder))).toEqual([])
    }
  })

  test('may be killed at any moment', async () => {
    const loop = run('export function transform() { for (;;); }')
    await expect.poll(() => children().length).toBeGreaterThan(0)
    for (const pid of children()) process.kill(pid, 'SIGKILL')
    expect((await loop).code).toMatch(/^(ETL_FAILED|TIMEOUT)$/)
    expect(await run(healthy)).toEqual({ code: 'OK', rows: [{ n: 1 }] })
  })
})
