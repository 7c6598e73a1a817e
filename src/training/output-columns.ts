// An ETL's output columns for a query: saved by its first run, widened by later ones, and never changed in name or type.

import { access } from 'node:fs/promises'
import type { Catalog } from '../catalog/open.ts'
import { createTurns } from '../concurrency/turns.ts'
import { AppError } from '../errors.ts'
import type { ParquetEngine } from '../parquet/engine.ts'
import type { Column } from '../values/columns.ts'
import { describeTypeChange } from '../warehouse/saved-columns.ts'
import { datasetPath } from './making.ts'
import type { RunResult } from './run.ts'

export interface OutputColumns {
  /** Rejects with SCHEMA_MISMATCH, which lists each difference. */
  settle(run: { etlId: string; queryId: string; path: string; output: RunResult }): Promise<void>
}

export interface OutputColumnsOptions {
  catalog: Pick<Catalog, 'etls' | 'events' | 'prisma'>
  parquet: ParquetEngine
  datasetsFolder: string
}

interface TypeChange {
  earlier: Column
  now: Column
}

export function createOutputColumns({
  catalog,
  parquet,
  datasetsFolder,
}: OutputColumnsOptions): OutputColumns {
  const { etls, events, prisma } = catalog
  const turns = createTurns()

  async function holdsValue(path: string, column: Column): Promise<boolean> {
    for await (const rows of parquet.scan(path, { columns: [column] })) {
      if (rows.some((row) => row[0] !== null)) return true
    }
    return false
  }

  /** Whether an earlier run gave the column a value; a run whose file is gone may have. */
  async function wasSeen(etlId: string, queryId: string, column: Column): Promise<boolean> {
    const where = { etlId, queryId, status: 'SUCCEEDED', rowCount: { gt: 0 } } as const
    for (const { id } of await prisma.dataset.findMany({ where, select: { id: true } })) {
      const path = datasetPath(datasetsFolder, id)
      const isThere = await access(path).then(
        () => true,
        () => false,
      )
      if (!isThere || (await holdsValue(path, column))) return true
    }
    return false
  }

  /** A column of which no value has been seen is text for want of better; the first value decides its type. */
  async function settleType(
    { etlId, queryId, path }: { etlId: string; queryId: string; path: string },
    { earlier, now }: TypeChange,
  ): Promise<Column | null> {
    if (isUndecided(now) && !(await holdsValue(path, now))) return { ...earlier, nullable: true }
    if (isUndecided(earlier) && !(await wasSeen(etlId, queryId, earlier))) return { ...now, nullable: true }
    return null
  }

  /** Whoever serves the ETL in this process and others is told. */
  async function save({ etlId, queryId }: { etlId: string; queryId: string }, columns: readonly Column[]) {
    await etls.saveOutputColumns(etlId, queryId, columns)
    events.publish('views', 'all', { changed: true })
  }

  async function settle(run: Parameters<OutputColumns['settle']>[0]): Promise<void> {
    const { etlId, queryId, output } = run
    // What an ETL makes of no rows shows at most the columns that it declares.
    if (output.rowCount === 0n) return
    const known = await etls.outputColumns(etlId, queryId)
    if (known === null) return save(run, output.columns)
    const { differences, typeChanges, columns } = compareColumns(known, output.columns)
    for (const change of typeChanges) {
      const column = await settleType(run, change)
      if (column === null) differences.push(describeTypeChange(change.earlier, change.now))
      else columns[known.indexOf(change.earlier)] = column
    }
    if (differences.length > 0) throw createMismatch(differences)
    if (JSON.stringify(columns) !== JSON.stringify(known)) await save(run, columns)
  }

  return {
    settle: (run) => turns.alone(() => settle(run)),
  }
}

/** `columns` are the known ones, nullable where they are or were. */
function compareColumns(known: readonly Column[], now: readonly Column[]) {
  const differences: string[] = []
  const typeChanges: TypeChange[] = []
  const nowByName = new Map(now.map((column) => [column.name, column]))
  const columns = known.map((earlier): Column => {
    const column = nowByName.get(earlier.name)
    nowByName.delete(earlier.name)
    if (column === undefined) {
      differences.push(`"${earlier.name}" (${earlier.type}) is missing`)
      return earlier
    }
    if (column.type !== earlier.type || column.storage !== earlier.storage) {
      typeChanges.push({ earlier, now: column })
    }
    return { ...earlier, nullable: earlier.nullable || column.nullable }
  })
  for (const column of nowByName.values()) differences.push(`"${column.name}" (${column.type}) is new`)
  return { differences, typeChanges, columns }
}

function isUndecided(column: Column): boolean {
  return column.type === 'STRING' && column.nullable
}

function createMismatch(differences: readonly string[]): AppError {
  const message = `The ETL's output differs from the columns that its first run gave for this query: ${differences.join('; ')}. Make the output as it was, or give the changed ETL a version of its own: refreshEtl loads it again as a new version.`
  return new AppError('SCHEMA_MISMATCH', message, { details: { differences: [...differences] } })
}
