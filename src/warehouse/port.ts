// The warehouse port: where history lives, asked with SQL. test/contract/warehouse.ts holds every adapter to it.

import type { Certainty } from '../sql/determinism.ts'
import type { Notice } from '../telemetry/notices.ts'
import type { Column, ColumnType, Row } from '../values/columns.ts'
import type { KeyValues } from '../values/entity-key.ts'
import type { ComposedSet, TrainingSet } from './training-set.ts'

/** The schema of the tables that are named without one. */
export const featureSchema = 'feature_store'
/** The schema of what the gateway itself keeps in a warehouse: the ledger and the version of appends. */
export const internalSchema = 'gateway'

/** A base table that a statement reads, with the names of its columns. */
export interface BaseTable {
  schema: string
  name: string
  columns: readonly string[]
}

export interface QueryDescription {
  /** The result's columns in order. `nullable` is true unless the engine proves otherwise. */
  columns: readonly Column[]
  /** Every base table that the statement reads, wherever it stands in it, by the engine's own parser. */
  tables: readonly BaseTable[]
  /** What the statement promises of its columns and of its rows, from one run to the next over the same tables. Left out where the adapter cannot tell. */
  determinism?: Certainty
  /** Whether it calls `as_of()`, so that it gives its rows as of a moment. */
  asksForMoment: boolean
  /** With a `key` asked for: what gives the statement another result at each run (`random()`); null when nothing does, left out where the adapter cannot tell. */
  changing?: string | null
  /** With a `key`: null when it is proven that the rows of one key are made of nothing but the tables' rows that hold its values in their columns of those names; else why that is not proven. Left out where the adapter cannot tell. */
  whyNotLocal?: string | null
  /** With an `origin` asked for: the table's column that it has its values from. Null where it is made of them otherwise, left out where the adapter cannot tell. */
  origin?: ColumnOrigin | null
}

export interface ColumnOrigin {
  table: BaseTable
  column: string
  /** Whether the table's greatest value is among the result's. */
  isWhole: boolean
}

export interface DescribeOptions extends RunOptions {
  key?: readonly string[] | undefined
  /** A column of the result. */
  origin?: string | undefined
}

/** `FILE`: one that is mounted, or a folder of them. */
export type TableKind = 'TABLE' | 'VIEW' | 'FILE'

export interface WarehouseTable {
  schema: string
  name: string
  kind: TableKind
  /** The engine's own estimate; null where it has none. */
  rowEstimate: number | null
  /** A column is not nullable where every row must bring it a value. */
  columns: readonly Column[]
  /** Where changes of it are known by themselves: nobody but the gateway writes it, or it bears signs; left out where neither is sure. */
  keptBy?: 'GATEWAY' | 'SIGNS'
  /** How rows come into it; left out where none may: a view, say, or a table that the gateway may only read. */
  intake?: Intake
}

export interface Intake {
  /** Columns that have a value of their own where a row leaves them out: a default, an identity. */
  defaults: readonly string[]
  /** Columns that the engine computes; no row may bring them. */
  computed: readonly string[]
  /** Columns of which the engine alone knows whether it takes a value, by `findMisfit`. */
  judged: readonly string[]
}

export interface NewColumn {
  name: string
  type: ColumnType
  nullable: boolean
  /** How the engine is to hold it, in the words of `Column.storage` or the engine's own; the usual for the type where it is left out. */
  storage?: string | undefined
}

export interface NewTable {
  /** Made where it is missing; `featureSchema` when left out. */
  schema?: string | undefined
  name: string
  columns: readonly NewColumn[]
  /** Columns that rows are looked up by: an engine that has indexes makes one for each. */
  indexed?: readonly string[]
}

export interface RunOptions {
  /** Aborting stops the work in the engine, not only the waiting. The call then rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}

export interface ExportProgress {
  /** From 0 to 1 by the engine's own estimate, or null where it has none. */
  fraction: number | null
}

export interface StatementRequest extends RunOptions {
  sql: string
  /**
   * What the statement was saved with: these columns alone are given, in this order, and SCHEMA_MISMATCH where it no
   * longer gives one of them by name and type. Without it all that it gives now.
   */
  saved?: readonly Column[] | undefined
  /** In microseconds since 1970, UTC: what `as_of()` in the statement is. BAD_USER_INPUT without it, and where nothing calls `as_of()`. */
  asOf?: bigint | undefined
  /** The id of a snapshot that is held: what the statement reads is read as it was then. */
  snapshot?: string | undefined
}

export interface SnapshotRequest extends RunOptions {
  /** All that may be read of it. */
  statements: readonly string[]
}

/** One state of the warehouse, for several reads. To hold one keeps the engine from tidying up: release it soon. */
export interface HeldSnapshot {
  id: string
  release(): Promise<void>
}

/** Rows that a statement reads as a table, beside the warehouse's, for as long as it runs. */
export interface GivenRows {
  /** Small letters, digits and underscores, and nobody else's name: the statement has it without a schema. */
  name: string
  /** A Parquet file in the folder of datasets or of what is temporary. */
  path: string
  /** Of the storages of `isGivable`. */
  columns: readonly Column[]
}

export interface ExportRequest extends StatementRequest {
  /** Where the Parquet file is to be. It appears there whole or not at all. */
  path: string
  /** Nobody but the gateway reads the file: it may be written in a way that others do not know. */
  isIntermediate?: boolean | undefined
  onProgress?: ((progress: ExportProgress) => void) | undefined
  /** Rejects with what `isRefusalOfRows` knows where the engine cannot be given them: a value that it has not, a right that it lacks. */
  given?: GivenRows | undefined
  /** Statements that give the same, one of which runs in its place where the engine expects it to cost far less. */
  otherwise?: readonly string[] | undefined
}

export interface ExportResult {
  /** `nullable` says whether the result holds a null in that column. */
  columns: readonly Column[]
  rowCount: bigint
}

/** Of each key's rows those alone that are served from a moment on: rows without a time are not among them. */
export interface TimelineRequest {
  /** Of type TIMESTAMP or DATE. Of the times up to the moment, it too, the latest; all that are later. */
  timestamp: string
  /** Of the rows of that latest time those of the latest created time, null the earliest; null for all of them. */
  created: string | null
  /** In microseconds UTC. */
  moment: bigint
  /** So many later times at most, the earliest. */
  later: number
}

export interface LookupRequest extends StatementRequest {
  /** The names of the result's columns that are the key. */
  key: readonly string[]
  /** Keys: for each column a value of its type, in its `Value` form. */
  values: readonly KeyValues[]
  timeline?: TimelineRequest | undefined
}

export interface Snapshot {
  /**
   * The warehouse's version that the rows were read at: a count of the appends committed before, read in the same
   * transaction as the rows. A read at a higher version saw all that a read at a lower one saw.
   */
  version: number
}

export interface LookupResult extends Snapshot {
  columns: readonly Column[]
  rows: readonly Row[]
}

/** Statements of which it is proven that the rows of one key are made of nothing but the tables' rows of that key. */
export interface LookupManyRequest extends RunOptions {
  /** The names of the key's columns, in each statement's result and in every table that it reads. */
  key: readonly string[]
  values: readonly KeyValues[]
  statements: readonly Pick<LookupRequest, 'sql' | 'saved' | 'asOf' | 'timeline'>[]
}

export interface ScanRequest extends StatementRequest {
  /** The names of the result's columns that are the key. */
  key: readonly string[]
  /** Rows of this key and of those that come before it in the order of the scan are left out; without it none are. */
  after?: KeyValues | undefined
  timeline?: TimelineRequest | undefined
}

export interface ScanResult extends Snapshot {
  columns: readonly Column[]
  /** Rows in batches of a few thousand, in an order of the keys that is always the same, so that a key's rows stand together; rows in whose key a column is null are left out. */
  batches: AsyncIterable<readonly Row[]>
}

/** Rows for one table. `columns` names a subset of the table's; the others get their default, or null where they have none. */
export interface TableRows {
  /** One of `featureSchema` by its name alone, others as schema.name. */
  table: string
  columns: readonly string[]
  rows: readonly Row[]
}

/** A value that its column cannot hold. */
export interface Misfit {
  /** From 0. */
  row: number
  column: string
  /** In the engine's words. */
  reason: string
}

/** A key, by the names of its columns; names in small letters name any that differ in case alone. */
export interface KeyColumns {
  table: string
  columns: readonly string[]
}

export interface AppendRequest {
  /** With `batch`, the name of the append: one that was committed before under this name is not done again. */
  jobId: string
  batch: number
  /** One table may come several times where its rows bring different columns. All rows are committed in one transaction with the ledger's entry and the version's step. */
  tables: readonly TableRows[]
  /** Keys of these tables whose stored values are wanted. */
  keys?: readonly KeyColumns[]
}

/** Rows in Parquet files whose columns have these names, of types whose values fit the columns'. */
export interface TableFiles {
  /** As of `TableRows`. */
  table: string
  columns: readonly Column[]
  /** Absolute paths in the folder of datasets. */
  files: readonly string[]
  rowCount: number
}

export interface AppendFilesRequest extends Omit<AppendRequest, 'tables'> {
  tables: readonly TableFiles[]
  /** Of more keys than these it is told that any row may have changed. */
  maxKeys: number
}

/** Every value of a key that new rows hold as it is stored; those with a null in a column are no keys. */
export interface StoredKeys {
  /** By the names that were asked by. */
  columns: readonly string[]
  values: readonly KeyValues[]
}

/** A table that an append has changed, be it by the engine's own means: a partition, what a trigger writes to. */
export interface TableChange {
  /** As schema.name. */
  table: string
  /** Null, or a key that was asked for and is left out: any row of the table may have changed. */
  keys: readonly StoredKeys[] | null
}

export interface AppendResult extends Snapshot {
  /** False when this batch had been committed before; nothing was written then. */
  applied: boolean
  /** Also of a batch that had been committed before. */
  changes: readonly TableChange[]
}

export interface SignedChanges {
  changes: readonly TableChange[]
  /** Called once they are taken care of: until then they are told again, after a restart too. */
  done(): Promise<void>
}

export interface Signs {
  /** Null when nothing has changed. `keysRead` tells of which keys the values are wanted. */
  read(keysRead: (tables: readonly string[]) => Promise<readonly KeyColumns[]>): Promise<SignedChanges | null>
  /** Calls back soon after a change, for as long as the connection lasts; left out where reading again and again is all there is. */
  listen?(onSign: () => void): Promise<{ close(): Promise<void> }>
}

export interface EraseRequest {
  /** As of an append: what was committed under this name is not done again. */
  jobId: string
  batch: number
  /** One that takes rows, named as `TableRows` name it. */
  table: string
  /** The rows that hold these values in these columns of the table go, in one transaction with the ledger's entry and the version's step. */
  columns: readonly string[]
  values: KeyValues
  /** Keys of the table whose values in the rows that go are wanted. */
  keys?: readonly KeyColumns[]
}

export interface EraseResult extends AppendResult {
  /** How many went; 0 when it had been committed before. */
  rows: number
}

/**
 * What every warehouse does.
 *
 * - A saved statement is one SELECT (or WITH, VALUES), judged by the engine's own parser: anything else, and anything
 *   that reads files, the network, settings or the gateway's own tables, rejects with INVALID_SQL and says what it was.
 *   A statement the engine refuses rejects with INVALID_SQL, its message, and `details.line` and `details.column`
 *   (from 1) where the engine tells. Two result columns of one name are INVALID_SQL too.
 * - `describe`, `exportParquet`, `lookup` and `scan` run the same statement and give the same values and types for the
 *   same row. A column of a type that the table of types does not carry is cast to text on every path alike.
 * - `as_of()` in a statement is a timestamp without zone: the moment that a request asks about. Calls of it are found by the
 *   engine's own parser. What a statement promises, and whose rows it reads, is told of it as of one moment.
 * - Tables may be changed by others at any moment. Values are read as of the types that they have then, and columns are
 *   told as they are then, whatever they were when the statement ran before.
 * - `lookup` and `scan` bind their values and never splice them into the statement. A lookup's rows come in no order.
 * - Reads see one committed state each; appends are atomic and durable once they resolve. A value comes in the form in
 *   which reads give it; where that is another than the column's own (text for a UUID), the engine casts it, and rounds
 *   or cuts as it does for any client. What the engine refuses is BAD_USER_INPUT.
 * - A failure of the engine that is not the statement's fault is WAREHOUSE_FAILED; one of resources is TOO_LARGE or TIMEOUT.
 *
 * Not here: names and versions of queries (the catalog), which rows to refresh (realtime), files' formats other than Parquet (training).
 */
export interface Warehouse {
  /** The adapter's name, for messages and metrics: `duckdb`. */
  readonly name: string
  /** Whether the engine joins a statement by LATERAL, once for each row, whatever it computes. */
  readonly joinsLaterally: boolean
  describe(sql: string, options?: DescribeOptions): Promise<QueryDescription>
  /** The statement with an SQL expression in place of each `as_of()`; it fits into parentheses when a newline follows it. */
  atMoment(sql: string, expression: string, options?: RunOptions): Promise<string>
  exportParquet(request: ExportRequest): Promise<ExportResult>
  /** What an export is asked for of a training set, whose parts' statements have been described; null where one statement cannot give it. */
  composeTrainingSet(set: TrainingSet): ComposedSet | null
  /**
   * The state in which exports, lookups and scans that bear its id read, one after the other. Where an engine has no
   * transactions over several statements it is that of the rows that the gateway has appended, and a read that cannot be
   * of it rejects with WAREHOUSE_FAILED.
   */
  holdSnapshot(request: SnapshotRequest): Promise<HeldSnapshot>
  lookup(request: LookupRequest): Promise<LookupResult>
  /**
   * Looks the keys up for many statements at once, which read each table once for all of them; left out where the engine
   * gains nothing by it. In the order of the statements; null for one that is better looked up by itself: it fails, say, or is
   * slow, so that no statement is another's fault.
   */
  lookupMany?(request: LookupManyRequest): Promise<readonly (LookupResult | null)[]>
  scan(request: ScanRequest): Promise<ScanResult>
  append(request: AppendRequest): Promise<AppendResult>
  /** The same, of rows that are read from files as they are written, however many they are. */
  appendFiles(request: AppendFilesRequest): Promise<AppendResult>
  /** Takes rows away. What the engine refuses, a row that others refer to, say, is BAD_USER_INPUT, and nothing is gone. */
  erase(request: EraseRequest): Promise<EraseResult>
  /** The first value found that an append would refuse since its column's type cannot hold it; nothing is written. */
  findMisfit(rows: TableRows): Promise<Misfit | null>
  /** The tables that statements may read. Those with an `intake` take appends. */
  tables(): Promise<readonly WarehouseTable[]>
  /**
   * Makes a table that takes appends, and answers as `tables` lists it. One that is there already is answered where it has
   * these columns, of these types and in this order; else CONFLICT says in what it differs. A name or a type that cannot be
   * is BAD_USER_INPUT.
   */
  createTable(table: NewTable): Promise<WarehouseTable>
  /** The present version. */
  version(): Promise<number>
  /** What tables tell of changes that others make to them; left out where none can. */
  signs?: Signs
  /**
   * Copies the warehouse into a file that is not there yet, as of one moment between two appends; `alongside` runs in that
   * moment too. Left out where the warehouse is not this process's own.
   */
  copyTo?(file: string, alongside: () => Promise<void>): Promise<void>
  /** For the doctor: how the engine is, and whether it lets the gateway do its work. */
  examine?(): Promise<readonly Notice[]>
  /** Resolves when the engine answers, else rejects with WAREHOUSE_FAILED. */
  ping(): Promise<void>
  close(): Promise<void>
}
