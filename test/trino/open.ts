// A warehouse on a catalog of the suite's Trino.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { Trino } from 'trino-client'
import { inject } from 'vitest'
import { createWarehouse } from '../../src/warehouse/index.ts'
import { withDemoTables } from '../demo-tables.ts'
import { lookupLimits } from '../limits.ts'
import type { trinoCatalogs } from './setup.ts'

export type TrinoCatalog = (typeof trinoCatalogs)[number] | 'postgres'

export function trinoUrl(catalog: TrinoCatalog, port = inject('trinoPort')): string {
  return `trino://test@127.0.0.1:${port}/${catalog}`
}

export async function createTrinoFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'warehouse-'))
  const datasetsFolder = join(folder, 'datasets')
  await mkdir(datasetsFolder)
  return {
    datasetsFolder,
    open: (url: string) =>
      withDemoTables(
        createWarehouse({
          url,
          file: '',
          files: [],
          temporaryFolder: join(folder, 'tmp'),
          datasetsFolder,
          memoryMb: 512,
          spillMb: 4096,
          lookupLimits,
          log: pino({ level: 'silent' }),
        }),
      ),
    remove: () => rm(folder, { recursive: true }),
  }
}

/** Runs a statement beside the gateway, as the catalog's owner would. */
export async function execute(catalog: TrinoCatalog, sql: string): Promise<unknown[][]> {
  const trino = Trino.create({
    server: `http://127.0.0.1:${inject('trinoPort')}`,
    catalog,
    extraHeaders: { 'X-Trino-User': 'test' },
  })
  const rows: unknown[][] = []
  for await (const { data, error } of await trino.query(sql)) {
    if (error !== undefined) throw new Error(error.message)
    rows.push(...(data ?? []))
  }
  return rows
}
