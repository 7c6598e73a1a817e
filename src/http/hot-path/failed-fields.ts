// Fields of an operation that failed, and what of its data is left.

import type { ByteText } from '../../values/byte-text.ts'

export interface FailedField {
  cause: unknown
  path: readonly string[]
  /** Where the document asks for it. */
  positions: readonly number[]
}

export class FailedFields extends Error {
  readonly fields: readonly FailedField[]
  /** JSON; `null` where a field that failed takes the whole of the data. */
  readonly data: ByteText

  constructor(fields: readonly FailedField[], data: ByteText) {
    super(`The fields ${fields.map(({ path }) => path.join('.')).join(', ')} failed`, {
      cause: fields[0]?.cause,
    })
    this.fields = fields
    this.data = data
  }
}
