// What an upload has become: Parquet files in its folder, and which columns of the table they fill.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Column } from '../../values/columns.ts'
import type { TableFiles } from '../../warehouse/port.ts'

/** Files whose rows bring the same columns. */
export interface UploadPart {
  /** The table's, as they were when the rows were checked. */
  columns: readonly Column[]
  /** Names in the upload's folder. */
  files: readonly string[]
  rowCount: number
}

export interface Manifest {
  parts: readonly UploadPart[]
}

const fileName = 'manifest.json'

export async function writeManifest(folder: string, { parts }: Manifest): Promise<void> {
  await writeFile(join(folder, fileName), JSON.stringify({ parts }), { flush: true })
}

export async function readManifest(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, fileName), 'utf8')) as Manifest
}

/** With the paths of the files. */
export function filesOf(
  { parts }: Manifest,
  { table, folder }: { table: string; folder: string },
): TableFiles[] {
  return parts.map(({ files, ...part }) => ({
    table,
    ...part,
    files: files.map((name) => join(folder, name)),
  }))
}
