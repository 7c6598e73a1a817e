// The shape of the sources: which way imports go, who may know an adapter, and what each file says of itself.

import { basename, dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findCircles, parseImports, readSources, type SourceFile } from './imports.ts'

const root = join(import.meta.dirname, '..')
const sources = readSources(root, 'src')
const written = sources.filter(({ path }) => !path.includes('/generated/'))

/** From the top down: a layer imports from those after its own; those in one line do not know each other. */
const layers: readonly (readonly string[])[] = [
  ['main'],
  ['serve'],
  ['app'],
  ['operations'],
  ['http'],
  ['schema'],
  ['publish'],
  ['realtime', 'training', 'demo'],
  ['features'],
  ['etl', 'access'],
  ['catalog', 'warehouse', 'online'],
  ['parquet'],
  ['duckdb'],
  ['sql'],
  ['processes'],
  ['values'],
  ['concurrency'],
  ['telemetry'],
  ['config'],
  ['full-disk', 'spent-buffer'],
  ['errors', 'events', 'secrets'],
]

const maxLines = 400

/** The packages that only one adapter, or one folder, may know. */
const driverHomes: Record<string, RegExp> = {
  lmdb: /^src\/online\/lmdb/,
  ioredis: /^src\/online\/redis\//,
  '@duckdb/node-api': /^src\/(duckdb|parquet|warehouse\/duckdb)\//,
  '@electric-sql/pglite': /^src\/catalog\//,
  'pg-boss': /^src\/catalog\//,
  'isolated-vm': /^src\/etl\//,
  fastify: /^src\/http\//,
  jose: /^src\/access\//,
  'prom-client': /^src\/(telemetry\/|http\/server\/metrics)/,
  '@opentelemetry/sdk-trace': /^src\/telemetry\/sdk/,
  '@opentelemetry/exporter-trace-otlp-proto': /^src\/telemetry\/sdk/,
}

function layerOf(path: string): string {
  const [, first = ''] = path.split('/')
  return first.replace(/\.ts$/, '')
}

function rankOf(path: string): number {
  return layers.findIndex((names) => names.includes(layerOf(path)))
}

/** Imports that go up, or sideways to another folder. */
function wrongDirections(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, imports }) =>
    imports
      .filter(({ isFile, target }) => isFile && layerOf(target) !== layerOf(path))
      .filter(({ target }) => target !== 'package.json')
      .filter(({ target }) => !target.startsWith('src/') || rankOf(target) <= rankOf(path))
      .map(({ target }) => `${path} imports ${target}`),
  )
}

/** The files that a process loads at its start. */
function loadedBy(entry: string, loaded = new Set<string>()): Set<string> {
  if (loaded.has(entry)) return loaded
  loaded.add(entry)
  const imports = sources.find(({ path }) => path === entry)?.imports ?? []
  for (const { target, kind, isFile } of imports)
    if (isFile && kind !== 'type' && kind !== 'dynamic') loadedBy(target, loaded)
  return loaded
}

/** The files that an `index.ts` offers by dynamic import. */
function adaptersOf(folder: string): string[] {
  const index = sources.find(({ path }) => path === `${folder}/index.ts`)
  return (index?.imports ?? []).filter(({ kind }) => kind === 'dynamic').map(({ target }) => target)
}

/** An adapter that needs several files has a folder of its own. */
function isOfFamily(path: string, adapter: string, folder: string): boolean {
  return path === adapter || (dirname(adapter) !== folder && path.startsWith(`${dirname(adapter)}/`))
}

/** An adapter may take the type of its options from the index that loads it: the type is gone when the code runs. */
function withoutOptionTypes(source: SourceFile): SourceFile {
  const index = /^src\/[a-z]+\//.exec(source.path)?.[0].concat('index.ts')
  return {
    ...source,
    imports: source.imports.filter(({ target, kind }) => !(kind === 'type' && target === index)),
  }
}

describe('imports', () => {
  test('every file of src belongs to a layer', () => {
    expect(sources.filter(({ path }) => rankOf(path) < 0).map(({ path }) => path)).toEqual([])
  })

  test('go down the layers only', () => {
    expect(wrongDirections(sources)).toEqual([])
  })

  test.each(['src/warehouse/duckdb/child.ts', 'src/parquet/engine-child.ts', 'src/etl/script/child.ts'])(
    '%s, a process that is started often, does not load how settings are read',
    (entry) => {
      const loaded = loadedBy(entry)
      expect(loaded.size).toBeGreaterThan(5)
      expect(loaded).not.toContain('src/config/config.ts')
    },
  )

  test('run in no circle', () => {
    expect(findCircles(sources.map(withoutOptionTypes)).map((circle) => circle.join(' → '))).toEqual([])
  })

  test.each(['src/warehouse', 'src/online'])(
    'of %s’s adapters stand in its index alone, and are dynamic',
    (folder) => {
      const adapters = adaptersOf(folder)
      expect(adapters.length).toBeGreaterThan(0)
      const strangers = sources.flatMap(({ path, imports }) =>
        imports
          .filter(({ target }) => adapters.some((adapter) => isOfFamily(target, adapter, folder)))
          .filter(({ target, kind }) => {
            const fromFamily = adapters.some(
              (adapter) => isOfFamily(target, adapter, folder) && isOfFamily(path, adapter, folder),
            )
            return !fromFamily && !(path === `${folder}/index.ts` && kind === 'dynamic')
          })
          .map(({ target }) => `${path} imports ${target}`),
      )
      expect(strangers).toEqual([])
    },
  )

  test.each(['src/warehouse', 'src/online'])(
    'of %s’s index stand in app.ts and in the doctor alone',
    (folder) => {
      const importers = sources.filter(({ imports }) =>
        imports.some(({ target, kind }) => target === `${folder}/index.ts` && kind !== 'type'),
      )
      expect(importers.map(({ path }) => path)).toEqual(['src/app.ts', 'src/operations/doctor/probe.ts'])
    },
  )

  test.each(Object.entries(driverHomes))('of the package %s stand in its adapter alone', (name, home) => {
    const importers = sources.filter(({ imports }) => imports.some(({ target }) => target === name))
    expect(importers.map(({ path }) => path).filter((path) => !home.test(path))).toEqual([])
  })
})

describe('each file', () => {
  test('begins with a line that says what it is for', () => {
    expect(written.filter(({ text }) => !/^\/\/ \S/.test(text)).map(({ path }) => path)).toEqual([])
  })

  test(`has at most ${maxLines} lines, or says at its top why it is long`, () => {
    const unexplained = written.filter(({ text }) => {
      const head = /^(?:\/\/.*\n)+/.exec(text)?.[0] ?? ''
      return text.split('\n').length > maxLines + 1 && !/\blong\b/i.test(head)
    })
    expect(unexplained.map(({ path }) => path)).toEqual([])
  })

  test('is not named after nothing in particular', () => {
    // An engine's types may be what a file is about: `column-types.ts`.
    const vague = /(^|-)(utils?|helpers?|common|misc)\.ts$|^types\.ts$/
    expect(written.filter(({ path }) => vague.test(basename(path))).map(({ path }) => path)).toEqual([])
  })
})

describe('the reader of imports', () => {
  test('sees every form of import, and none in a comment', () => {
    const text = `import { a } from './a.ts'
import type { B } from '../b.ts'
import {
  c,
  type D,
} from '@scope/package/deep'
import './side-effect.ts'
export { e } from './e.ts'
export type { F } from './f.ts'
const g = await import('./g.ts')
// import { no } from './no.ts'
/* import { never } from './never.ts' */
`
    expect(parseImports('/', 'src/x/y.ts', text)).toEqual([
      { target: 'src/x/a.ts', kind: 'static', isFile: true },
      { target: 'src/b.ts', kind: 'type', isFile: true },
      { target: '@scope/package', kind: 'static', isFile: false },
      { target: 'src/x/side-effect.ts', kind: 'static', isFile: true },
      { target: 'src/x/e.ts', kind: 'static', isFile: true },
      { target: 'src/x/f.ts', kind: 'type', isFile: true },
      { target: 'src/x/g.ts', kind: 'dynamic', isFile: true },
    ])
  })

  test('finds a circle and an import that goes up', () => {
    const file = (path: string, target: string): SourceFile => ({
      path,
      text: '',
      imports: [{ target, kind: 'static', isFile: true }],
    })
    const files = [
      file('src/online/a.ts', 'src/online/b.ts'),
      file('src/online/b.ts', 'src/online/a.ts'),
      file('src/catalog/c.ts', 'src/etl/d.ts'),
      file('src/catalog/e.ts', 'src/online/port.ts'),
      file('src/etl/f.ts', 'src/online/port.ts'),
    ]
    expect(findCircles(files)).toEqual([['src/online/a.ts', 'src/online/b.ts', 'src/online/a.ts']])
    expect(wrongDirections(files)).toEqual([
      'src/catalog/c.ts imports src/etl/d.ts',
      'src/catalog/e.ts imports src/online/port.ts',
    ])
  })
})
