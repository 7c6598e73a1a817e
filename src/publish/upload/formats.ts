// The forms in which rows are uploaded, by their content types.

import { AppError } from '../../errors.ts'

export type UploadFormat = 'json' | 'ndjson' | 'csv' | 'parquet' | 'arrow'

export const uploadTypes = {
  'application/json': 'json',
  'application/x-ndjson': 'ndjson',
  'text/csv': 'csv',
  'application/vnd.apache.parquet': 'parquet',
  'application/vnd.apache.arrow.stream': 'arrow',
  'application/vnd.apache.arrow.file': 'arrow',
} as const satisfies Record<string, UploadFormat>

export const formatNames: Readonly<Record<UploadFormat, string>> = {
  json: 'a JSON array of objects',
  ndjson: 'NDJSON, an object on each line',
  csv: 'CSV with a header',
  parquet: 'a Parquet file',
  arrow: 'an Arrow IPC stream or file',
}

/** Throws BAD_USER_INPUT. */
export function formatOf(contentType: string | undefined): UploadFormat {
  const type = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  const found = Object.entries(uploadTypes).find(([known]) => known === type)
  if (found !== undefined) return found[1]
  const given = type === '' ? 'The body has no Content-Type' : `Rows are not taken as ${type}`
  throw new AppError('BAD_USER_INPUT', `${given}; send them as ${Object.keys(uploadTypes).join(', ')}.`)
}

const endings: Readonly<Record<string, UploadFormat>> = {
  parquet: 'parquet',
  arrow: 'arrow',
  feather: 'arrow',
  csv: 'csv',
}

/** Of a file in a form: by its content type, where that says it, else by its name. Throws BAD_USER_INPUT. */
export function formatOfFile(contentType: string | undefined, fileName: string | undefined): UploadFormat {
  const ending = endings[fileName?.split('.').at(-1)?.toLowerCase() ?? '']
  const isVague = contentType === undefined || contentType === 'application/octet-stream'
  return isVague && ending !== undefined ? ending : formatOf(contentType)
}
