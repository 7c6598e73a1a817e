// Rows as an Arrow IPC file, batch by batch, with each column's own type.

import { type Data, Field, makeData, RecordBatch, RecordBatchFileWriter, Schema, Struct } from 'apache-arrow'
import type { Column, Row } from '../../values/columns.ts'
import { createArrowColumn } from './arrow-columns.ts'

/** Gives out what has been written so far, where Arrow's own writer would queue it without bound. */
class DrainedWriter extends RecordBatchFileWriter {
  #chunks: Uint8Array[] = []

  protected override _write(chunk: Uint8Array | ArrayBufferView) {
    if (!this._started) return this
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    this.#chunks.push(bytes)
    this._position += bytes.byteLength
    return this
  }

  drain(): Uint8Array {
    const bytes = Buffer.concat(this.#chunks)
    this.#chunks = []
    return bytes
  }
}

export async function* encodeArrow(
  columns: readonly Column[],
  batches: AsyncIterable<readonly Row[]>,
): AsyncGenerator<Uint8Array> {
  const arrowColumns = columns.map(createArrowColumn)
  const fields = columns.map((column, i) => {
    const metadata = new Map([['type', column.type]])
    return new Field(column.name, required(arrowColumns[i]).type, column.nullable, metadata)
  })
  const schema = new Schema(fields)
  const writer = new DrainedWriter()
  writer.reset(undefined, schema)
  for await (const rows of batches) {
    if (rows.length === 0) continue
    const children: Data[] = arrowColumns.map((column, i) => column.toData(rows.map((row) => row[i] ?? null)))
    const data = makeData({ type: new Struct(fields), length: rows.length, nullCount: 0, children })
    writer.write(new RecordBatch(schema, data))
    yield writer.drain()
  }
  writer.close()
  yield writer.drain()
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('A column has no Arrow type')
  return value
}
