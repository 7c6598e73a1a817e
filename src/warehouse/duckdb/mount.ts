// A file, a folder of files or a lakehouse's table, as a table of the schema `files`.

import type { Looked } from './file-states.ts'

export interface Mount extends Looked {
  name: string
  /** What the table is named after, for messages. */
  path: string
  /** What stands after FROM. */
  relation: string
  /** The version of a lakehouse's table, in its own words. */
  version?: string
  isRemote?: boolean
}
