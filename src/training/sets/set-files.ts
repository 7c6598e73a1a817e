// All that a training set is joined of, as files: its spine, and the rows of its references, read at one snapshot of the warehouse.

import type { SetReference } from '../../warehouse/training-set.ts'
import { createAskedRows, type FileOfRows } from './asked-rows.ts'
import { type RecipeReference, type RecipeSpine, type SetRecipe, toSetReference } from './recipe.ts'
import {
  asStored,
  beside,
  createRowFiles,
  type Reading,
  type RowFile,
  type RowFileOptions,
} from './row-files.ts'

export interface SetRun {
  recipe: SetRecipe
  /** Where the spine's rows are, of a spine that is no statement. */
  spinePath: string | null
  /** Where the set is to be; beside `temporaryPath` there may be other files. */
  path: string
  temporaryPath: string
  signal: AbortSignal
  onProgress(fraction: number | null): void
}

/** The name of a file in the statement that joins them. */
export interface NamedFile extends RowFile {
  name: string
}

export interface SetFiles {
  inputs: readonly NamedFile[]
  references: readonly SetReference[]
  spine: RowFile
}

/** What is read of a reference, under the name that its file has; `isInput` where it is yet to go through its ETL. */
interface ReadRows extends FileOfRows {
  name: string
  made: RecipeReference
  isInput: boolean
}

export function createSetFiles(options: RowFileOptions) {
  const { warehouse } = options
  const { read, throughEtl } = createRowFiles(options)
  const askedRowsOf = createAskedRows(options)

  /** What takes long without the warehouse comes after the snapshot. */
  async function readFiles(asked: SetRun): Promise<SetFiles> {
    const { recipe, signal } = asked
    const statements = statementsOf(recipe)
    const { id: snapshot, release } = await warehouse.holdSnapshot({ statements, signal })
    const { spine, rows } = await readAll(asked, snapshot).finally(release)
    const inputs: NamedFile[] = [{ name: 'spine', ...spine }]
    for (const each of rows.values()) {
      if (each.isInput) each.file = await throughEtl(each.made, each.file, asked)
      inputs.push({ name: each.name, ...each.file })
    }
    const references = recipe.references.map((made) => {
      const found = rows.get(sameRows(made))
      if (found === undefined) throw new Error(`The rows of ${made.view} were not read`)
      const from = {
        sql: `SELECT * FROM temp.${found.name}`,
        columns: found.file.columns,
        spine: spine.columns,
      }
      const own = toSetReference({ ...made, isExact: true }, from)
      return { ...own, keys: [...own.keys, ...found.keys] }
    })
    return { inputs, references, spine }
  }

  async function readAll(asked: SetRun, snapshot: string) {
    const { recipe, temporaryPath, signal } = asked
    const steps = recipe.references.length + 2
    let done = 0
    const onProgress = (fraction: number | null) => asked.onProgress((done + (fraction ?? 0)) / steps)
    const spine = await spineFile(asked, { snapshot, onProgress })
    /** A view that is taken twice is read once. */
    const rows = new Map<string, ReadRows>()
    for (const [i, made] of recipe.references.entries()) {
      done++
      if (rows.has(sameRows(made))) continue
      const reading = { ...recipe, temporaryPath, snapshot, signal, onProgress, spine }
      rows.set(sameRows(made), { name: `rows${i}`, made, ...(await readOne(made, reading)) })
    }
    return { spine, rows }
  }

  async function readOne(made: RecipeReference, reading: Reading) {
    if (made.asksForMoment) return { ...(await askedRowsOf(made, reading)), isInput: false }
    return { file: await read(made, reading), keys: [], isInput: true }
  }

  async function spineFile(
    { recipe: { spine }, spinePath, temporaryPath, signal }: SetRun,
    { snapshot, onProgress }: Pick<Reading, 'snapshot' | 'onProgress'>,
  ): Promise<RowFile> {
    if (spine.kind !== 'statement') return givenFile(spine, spinePath)
    const path = beside(temporaryPath, 'spine')
    const { columns } = await warehouse.exportParquet({
      sql: spine.sql,
      saved: spine.columns,
      path,
      isIntermediate: true,
      snapshot,
      signal,
      onProgress: ({ fraction }) => onProgress(fraction),
    })
    return { path, columns: columns.map(asStored) }
  }

  return readFiles
}

function statementsOf({ spine, references }: SetRecipe): string[] {
  const own = spine.kind === 'statement' ? [spine.sql] : []
  return [...new Set([...own, ...references.map(({ sql }) => sql)])]
}

/** Of a spine that is no statement. */
export function givenFile({ columns }: RecipeSpine, path: string | null): RowFile {
  if (path === null) throw new Error('The rows of the spine are nowhere')
  return { path, columns: columns.map(asStored) }
}

const sameRows = ({ queryId, etl, keys }: RecipeReference) => JSON.stringify([queryId, etl?.id, keys])
