// Reads the imports of TypeScript files: a small parser of our own, enough for sources that Biome keeps in form.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

export interface Import {
  /** The file as a path from the root, or the name of a package. */
  target: string
  kind: 'static' | 'type' | 'dynamic'
  isFile: boolean
}

export interface SourceFile {
  /** From the root: `src/online/lmdb.ts`. */
  path: string
  text: string
  imports: readonly Import[]
}

/** Every TypeScript file under a folder of the root. */
export function readSources(root: string, folder: string): SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => {
      const path = join(folder, name)
      const text = readFileSync(join(root, path), 'utf8')
      return { path, text, imports: parseImports(root, path, text) }
    })
}

/** `import … from`, `export … from`, `import '…'` at the start of a line, and `import('…')` anywhere. */
export function parseImports(root: string, path: string, text: string): Import[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '')
  const imports: Import[] = []
  const add = (specifier: string, kind: Import['kind']) => {
    const isFile = specifier.startsWith('.')
    const target = isFile ? relative(root, resolve(root, dirname(path), specifier)) : packageName(specifier)
    imports.push({ target, kind, isFile })
  }
  for (const [, type, specifier] of code.matchAll(
    /^(?:import|export)\s+(type\s+)?(?:[\w*$\s{},]*?\s+from\s+)?'([^'\n]+)'/gm,
  )) {
    if (specifier !== undefined) add(specifier, type === undefined ? 'static' : 'type')
  }
  for (const [, specifier] of code.matchAll(/\bimport\(\s*'([^'\n]+)'/g)) {
    if (specifier !== undefined) add(specifier, 'dynamic')
  }
  return imports
}

function packageName(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

/** The circles among files, each as its path back to where it began. */
export function findCircles(sources: readonly SourceFile[]): string[][] {
  const byPath = new Map(sources.map((source) => [source.path, source]))
  const done = new Set<string>()
  const circles: string[][] = []
  const visit = (path: string, trail: readonly string[]) => {
    if (trail.includes(path)) {
      circles.push([...trail.slice(trail.indexOf(path)), path])
      return
    }
    if (done.has(path)) return
    for (const { target, isFile } of byPath.get(path)?.imports ?? []) {
      if (isFile) visit(target, [...trail, path])
    }
    done.add(path)
  }
  for (const { path } of sources) visit(path, [])
  return circles
}
