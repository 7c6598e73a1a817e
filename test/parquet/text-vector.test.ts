// Texts are read and written as they are, whatever their length and letters.

import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createRowAppender } from '../../src/duckdb/append-rows.ts'
import { withAppender } from '../../src/duckdb/appender.ts'
import { packTexts, unpackTexts } from '../../src/duckdb/text-vector.ts'

let instance: DuckDBInstance
let connection: DuckDBConnection
beforeAll(async () => {
  instance = await DuckDBInstance.create(':memory:')
  connection = await instance.connect()
})
afterAll(() => {
  connection.closeSync()
  instance.closeSync()
})

/** Around the twelve bytes that the engine keeps in place, and around what UTF-8 makes of them. */
const lengths = [0, 1, 4, 11, 12, 13, 14, 36, 300]
const letters = ['x', 'é', '€', '🦆', '\0', '\uFEFF']
const kinds: readonly (readonly [string, (i: number) => string | null])[] = [
  ['short', (i) => `user_${i}`],
  ['long', (i) => `a text that is longer than twelve bytes ${i}`],
  ['short and long by turns, with nulls', (i) => (i % 7 === 0 ? null : 'ab'.repeat(i % 13))],
  ['of every length and letter', (i) => (letters[i % 6] ?? '').repeat(lengths[i % 9] ?? 0)],
  ['all the same', () => 'one and the same text over and over'],
  ['all null', () => null],
  ['all empty', () => ''],
]
const counts = [1, 2, 63, 64, 65, 2048]

async function write(texts: readonly (string | null)[]): Promise<void> {
  await connection.run('CREATE OR REPLACE TEMP TABLE written (id INTEGER, text VARCHAR)')
  const cells = ['id', 'text'].map((name, cell) => ({ name, cell }))
  await withAppender(connection, { table: 'written', schema: 'main', catalog: 'temp' }, (appender) =>
    createRowAppender(appender, cells).append(texts.map((text, i) => [i, text])),
  )
}

/** As UTF-8 in hex: what the client makes of texts is in question. */
function hexOf(text: string | null): string | null {
  return text === null ? null : Buffer.from(text).toString('hex').toUpperCase()
}

test.for(kinds)('texts that are %s are written', async ([, text]) => {
  for (const count of counts) {
    const texts = Array.from({ length: count }, (_, i) => text(i))
    await write(texts)
    const read = await connection.runAndReadAll('SELECT hex(encode(text)) FROM written ORDER BY id')
    expect(read.getRows().map(([one]) => one)).toEqual(texts.map(hexOf))
  }
})

test.for(kinds)('texts that are %s are read, also filtered, sorted and joined', async ([, text]) => {
  const texts = Array.from({ length: 5000 }, (_, i) => text(i))
  await write(texts)
  for (const sql of [
    'SELECT text FROM written ORDER BY id',
    'SELECT text FROM written WHERE hash(id) % 3 = 0 ORDER BY text, id',
    "SELECT CASE WHEN id % 2 = 0 THEN text ELSE text || 'ß' || text END AS text FROM written",
    'SELECT b.text FROM written a LEFT JOIN written b ON b.id = a.id * 2',
  ]) {
    const result = await connection.stream(`SELECT text, hex(encode(text)) FROM (${sql})`)
    for (;;) {
      const chunk = await result.fetchChunk()
      if (chunk === null || chunk.rowCount === 0) break
      expect(unpackTexts(packTexts(chunk, 0)).map(hexOf)).toEqual(chunk.getColumnValues(1))
    }
  }
})

test('halves of characters at the ends of neighbours do not become one', async () => {
  const [high, low] = ['🦆'.slice(0, 1), '🦆'.slice(1)]
  await write([`duck ${high}`, `${low} duck`])
  const read = await connection.runAndReadAll('SELECT text FROM written ORDER BY id')
  expect(read.getRows().flat()).toEqual(['duck \uFFFD', '\uFFFD duck'])
})
