// Texts in bulk are the texts that the engine's own client reads and writes one by one.

import { type DuckDBConnection, DuckDBDataChunk, DuckDBInstance, VARCHAR } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { packStrings, readTexts, writeTexts } from '../../src/duckdb/text-vector.ts'

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
const letters = ['x', 'é', '€', '🦆', '\0']
const kinds: readonly (readonly [string, (i: number) => string | null])[] = [
  ['short', (i) => `user_${i}`],
  ['long', (i) => `a text that is longer than twelve bytes ${i}`],
  ['short and long by turns, with nulls', (i) => (i % 7 === 0 ? null : 'ab'.repeat(i % 13))],
  ['of every length and letter', (i) => (letters[i % 5] ?? '').repeat(lengths[i % 9] ?? 0)],
  ['all the same', () => 'one and the same text over and over'],
  ['all null', () => null],
  ['all empty', () => ''],
]
const counts = [1, 2, 63, 64, 65, 2048]

test.for(kinds)('texts that are %s are written', async ([, text]) => {
  for (const count of counts) {
    const texts = Array.from({ length: count }, (_, i) => text(i))
    await connection.run('CREATE OR REPLACE TEMP TABLE written (text VARCHAR)')
    const appender = await connection.createAppender('written', 'main', 'temp')
    const chunk = DuckDBDataChunk.create([VARCHAR], count)
    writeTexts(chunk, 0, packStrings(texts))
    appender.appendDataChunk(chunk)
    appender.closeSync()
    const read = await connection.runAndReadAll('SELECT text FROM written')
    expect(read.getRows().map(([one]) => one)).toEqual(texts)
  }
})

test.for(kinds)('texts that are %s are read, also filtered, sorted and joined', async ([, text]) => {
  const texts = Array.from({ length: 5000 }, (_, i) => text(i))
  await connection.run('CREATE OR REPLACE TEMP TABLE held (id INTEGER, text VARCHAR)')
  const appender = await connection.createAppender('held', 'main', 'temp')
  texts.forEach((one, i) => {
    appender.appendInteger(i)
    if (one === null) appender.appendNull()
    else appender.appendVarchar(one)
    appender.endRow()
  })
  appender.closeSync()
  for (const sql of [
    'SELECT id, text FROM held ORDER BY id',
    'SELECT id, text FROM held WHERE hash(id) % 3 = 0 ORDER BY text, id',
    "SELECT id, CASE WHEN id % 2 = 0 THEN text ELSE text || 'ß' || text END FROM held",
    'SELECT a.id, b.text FROM held a LEFT JOIN held b ON b.id = a.id * 2',
  ]) {
    const result = await connection.stream(sql)
    for (;;) {
      const chunk = await result.fetchChunk()
      if (chunk === null || chunk.rowCount === 0) break
      expect(readTexts(chunk, 1)).toEqual(chunk.getColumnValues(1))
    }
  }
})

test('halves of characters at the ends of neighbours do not become one', async () => {
  const [high, low] = ['🦆'.slice(0, 1), '🦆'.slice(1)]
  const { bytes, lengths } = packStrings([`duck ${high}`, `${low} duck`])
  expect([...lengths]).toEqual([8, 8])
  expect(bytes.toString()).toBe('duck \uFFFD\uFFFD duck')
})
