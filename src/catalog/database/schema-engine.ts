// Prisma's schema engine, as WebAssembly on the catalog's own driver adapter: no downloaded binary.

import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import {
  bindMigrationAwareSqlAdapterFactory,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils'
import type { SchemaEngine } from '@prisma/schema-engine-wasm'

interface Bindings {
  __wbg_set_wasm(exports: WebAssembly.Exports): void
  SchemaEngine: typeof SchemaEngine
}

/** An engine on the database of `factory`. */
export async function createSchemaEngine(
  factory: SqlMigrationAwareDriverAdapterFactory,
): Promise<SchemaEngine> {
  Object.assign(globalThis, { PRISMA_WASM_PANIC_REGISTRY: panics })
  const { SchemaEngine } = await loadBindings()
  const adapter = bindMigrationAwareSqlAdapterFactory(factory)
  return SchemaEngine.new({ datamodels: undefined }, ignoreLog, adapter)
}

/** The engine looks for this name when it panics; without it, its message is lost. */
const panics = {
  set_message(message: string) {
    throw new Error(`Prisma's schema engine failed: ${message}`)
  },
}

function ignoreLog() {}

/**
 * The package's own entry imports the `.wasm` as a module, which Node does only behind a flag. Its bindings hold one
 * instance for each module, hence a module for each engine: two engines at work at once do not share memory.
 */
async function loadBindings(): Promise<Bindings> {
  const resolve = createRequire(import.meta.url).resolve
  const path = resolve('@prisma/schema-engine-wasm/schema_engine_bg')
  const bindings: Bindings = await import(`${pathToFileURL(path).href}?${randomUUID()}`)
  const bytes = await readFile(path.replace(/\.js$/, '.wasm'))
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': { ...bindings } })
  bindings.__wbg_set_wasm(instance.exports)
  const start = instance.exports.__wbindgen_start
  if (typeof start === 'function') start()
  return bindings
}
