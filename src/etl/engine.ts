// Runs an ETL, whatever its language: over a file for training, over groups of rows for realtime.

import type { Logger } from 'pino'
import type { SqlRunner } from '../parquet/engine-client.ts'
import { overall, type Promised } from '../sql/determinism.ts'
import { exact, open } from '../sql/finding.ts'
import type { Column } from '../values/columns.ts'
import type {
  EtlGroupResult,
  EtlInput,
  FileRequest,
  GroupsRequest,
  RunnableEtl,
  SampleRequest,
  SampleResult,
} from './request.ts'
import { createFileThread } from './script/file-client.ts'
import { createScriptGroups } from './script/groups.ts'
import { createScriptLoader, type LoadedScript } from './script/load.ts'
import { createSandbox } from './script/sandbox.ts'
import { createSqlEtls } from './sql.ts'

export type { EtlGroupResult, FileRequest, GroupsRequest, RunnableEtl } from './request.ts'

export interface EtlEngine {
  /** Rejects with ETL_LOAD_FAILED, line and column, when the source cannot be an ETL. */
  check(source: RunnableEtl): Promise<void>
  /** What its output promises where the input promises so much. Rejects with ETL_FAILED where it does not fit the input. */
  promise(etl: RunnableEtl, input: EtlInput): Promise<Promised>
  /** Whether it gives for each row alone what it gives for it among others: `transform(row)`. Rejects as `check` does. */
  worksRowByRow(source: RunnableEtl): Promise<boolean>
  /**
   * Rows keep their order, in and out. Rejects with ETL_FAILED, TIMEOUT or TOO_LARGE, which name the ETL, the row and
   * the line where they are known, or with the signal's reason; no file is left behind then.
   */
  runFile(request: FileRequest): Promise<{ columns: Column[]; rowCount: bigint }>
  /**
   * One result for each group, in order; a group that fails fails alone. Values are what training's Parquet gives back
   * for the same rows. A group without output rows has none, and cannot mismatch.
   */
  runGroups(request: GroupsRequest): Promise<readonly EtlGroupResult[]>
  /**
   * Which columns hold what the groups give, and what is like it: a number is FLOAT64 unless the script declares
   * otherwise or gives a bigint, since the next may have a fraction. All are nullable. Rejects with the first failure where
   * every group fails, and with ETL_FAILED for a column of several types.
   */
  sample(request: SampleRequest): Promise<SampleResult>
  close(): Promise<void>
}

export interface EtlEngineOptions {
  /** Absolute folders that hold the files. */
  folders: readonly string[]
  /** What the engine that reads and writes scripts' files may hold in memory. */
  parquetMemoryMb: number
  /** Runs SQL ETLs. */
  sqlRunner: SqlRunner
  timeoutMs: number
  memoryMb: number
  temporaryFolder: string
  log: Logger
}

export function createEtlEngine({
  folders,
  parquetMemoryMb,
  sqlRunner,
  timeoutMs,
  memoryMb,
  temporaryFolder,
  log,
}: EtlEngineOptions): EtlEngine {
  const sandbox = createSandbox({ timeoutMs, memoryMb, log })
  const loader = createScriptLoader(sandbox)
  const files = createFileThread({ folders, parquetMemoryMb, temporaryFolder, timeoutMs, memoryMb, log })
  const groups = createScriptGroups(sandbox)
  const sql = createSqlEtls(sqlRunner)

  /** Null for SQL. */
  async function loadScript({ name, language, source }: RunnableEtl): Promise<LoadedScript | null> {
    return language === 'SQL' ? null : loader.load({ name, language, source })
  }

  return {
    async check(source) {
      if ((await loadScript(source)) === null) await sql.check(source)
    },
    async promise(etl, input) {
      if (etl.language === 'SQL') return sql.promise(etl, input)
      const finding = overall(input.determinism)
      if (finding.level === 'EXACT') return { columns: new Map(), rows: exact }
      const what = `the ETL ${etl.name} is given what is not exact: ${finding.note}`
      return { columns: new Map(), rows: open(what) }
    },
    async worksRowByRow(source) {
      return (await loadScript(source))?.form === 'transform'
    },
    async runFile({ etl, ...request }) {
      const script = await loadScript(etl)
      return script === null ? sql.runFile({ etl, ...request }) : files.run({ script, ...request })
    },
    async runGroups({ etl, ...request }) {
      request.signal?.throwIfAborted()
      const script = await loadScript(etl)
      return script === null ? sql.runGroups({ etl, ...request }) : groups.run({ script, ...request })
    },
    async sample({ etl, ...request }) {
      const script = await loadScript(etl)
      const asked = { ...request, outputColumns: null }
      const { columns, mostRows } = await (script === null
        ? sql.sample({ etl, ...asked })
        : groups.sample({ script, ...asked }))
      return { columns: columns.map((column) => ({ ...column, nullable: true })), mostRows }
    },
    async close() {
      await Promise.all([sandbox.close(), files.close()])
    },
  }
}
