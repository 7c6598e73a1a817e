// Keys of several columns, of whatever types: part of the contract of the warehouse port.

import { describe, expect, test } from 'vitest'
import type { Row, Value } from '../../src/values/columns.ts'
import type { KeyValues } from '../../src/values/entity-key.ts'
import type { KeyValue } from '../../src/values/key-values.ts'
import type { KeyColumns, ScanResult, Warehouse } from '../../src/warehouse/port.ts'

/** Texts of which joined ones would be taken for others. */
const texts = ['23', '3', '', ' ', ',', '"', '","', "'", "','", '\\', '["23"]', 'null', 'é', '😀', '￿']
const numbers = [1, 12, 123, -1, 0]
const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`

/** Every number with every text, twice, in no order; and rows with a null in either column. */
const rowsOfAll = [
  ...numbers.flatMap((a) => texts.flatMap((b) => [`(${a}, ${quoted(b)})`, `(${a}, ${quoted(b)})`])),
  "(CAST(NULL AS integer), '23')",
  '(1, NULL)',
  '(NULL, NULL)',
].toSorted((a, b) => hashOf(a) - hashOf(b))
const all = `SELECT a, b, 'x' AS c FROM (VALUES ${rowsOfAll.join(', ')}) t(a, b)`
/** Of which the values of a key come out of groups, where an engine may not push them down. */
const grouped = `SELECT a, b, count(*) AS n FROM (${all}) g GROUP BY a, b`

function hashOf(text: string): number {
  return [...text].reduce((sum, character) => (sum * 31 + (character.codePointAt(0) ?? 0)) % 9973, 7)
}

const collect = async ({ batches }: ScanResult) => {
  const rows: Row[] = []
  for await (const batch of batches) rows.push(...batch)
  return rows
}

const asText = (keys: readonly (readonly Value[])[]) => keys.map((key) => JSON.stringify(key)).sort()

export function testCompositeKeys(
  warehouse: () => Warehouse,
  typed: () => readonly { sql: string; value: Value }[],
): void {
  const lookup = async (sql: string, key: readonly string[], values: readonly KeyValues[]) =>
    (await warehouse().lookup({ sql, key, values })).rows
  const keys = numbers.flatMap((a) => texts.map((b): KeyValues => [a, b]))

  describe('keys of several columns', () => {
    test.for([
      ['one', [keys[17] ?? []]],
      ['two whose columns cross', [keys[0] ?? [], keys[16] ?? []]],
      ['(1, 23) but not (12, 3)', [[1, '23']]],
      ['every other', keys.filter((_, i) => i % 2 === 0)],
      [
        'some twice, and more that are not there than a statement has parameters for',
        [
          ...keys.slice(5, 20),
          ...keys.slice(5, 9),
          ...Array.from({ length: 400 }, (_, i): KeyValues => [i + 1000, '23']),
        ],
      ],
      [
        'none that is there',
        [
          [1, '12'],
          [23, '1'],
          [12, 'NULL'],
        ],
      ],
    ] as const)('MUST find every row of the keys asked for, and no others: %s', async ([, asked]) => {
      const wanted = new Set(asked.map((key) => JSON.stringify(key)))
      const expected = keys.map((key) => JSON.stringify(key)).filter((text) => wanted.has(text))
      const found = await lookup(all, ['a', 'b'], asked)
      expect(asText(found.map((row) => row.slice(0, 2)))).toEqual([...expected, ...expected].sort())
      const turned = await lookup(
        all,
        ['b', 'a'],
        asked.map((key) => key.toReversed()),
      )
      expect(asText(turned)).toEqual(asText(found))
      const groups = await lookup(grouped, ['a', 'b'], asked)
      expect(asText(groups.map((row) => row.slice(0, 2)))).toEqual(expected.sort())
      expect(new Set(groups.map((row) => row[2]))).toEqual(new Set(expected.length > 0 ? [2] : []))
    })

    test.for(['a', 'b'])(
      'MUST leave out rows with a null in a column of the key, scanned by %s first',
      async (first) => {
        const key = first === 'a' ? ['a', 'b'] : ['b', 'a']
        const rows = await collect(await warehouse().scan({ sql: all, key }))
        expect(asText(rows.map((row) => row.slice(0, 2)))).toEqual(asText([...keys, ...keys]))
      },
    )

    test.for(['a', 'b'])(
      'MUST scan the rows of each key together, and go on behind any, by %s first',
      async (first) => {
        const key = first === 'a' ? ['a', 'b'] : ['b', 'a']
        const places = first === 'a' ? [0, 1] : [1, 0]
        const keyOf = (row: Row) => places.map((place) => row[place] ?? null) as KeyValue[]
        const order = (await collect(await warehouse().scan({ sql: all, key }))).map(keyOf)
        const turns = order.filter(
          (one, i) => i === 0 || JSON.stringify(one) !== JSON.stringify(order[i - 1]),
        )
        expect(turns).toHaveLength(keys.length)
        for (const [i, after] of turns.entries()) {
          if (i % 5 !== 0 && i < turns.length - 1) continue
          const rest = await collect(await warehouse().scan({ sql: all, key, after }))
          expect(rest.map(keyOf)).toEqual(order.slice(2 * i + 2))
        }
      },
    )

    test('MUST find a row by values of whatever types, beside one that shares a part of them', async () => {
      const usable = typed().filter(({ value }) => value !== null && !isNested(value))
      for (const [i, { sql: left, value: a }] of usable.entries()) {
        const { sql: right, value: b } = usable[(i + 7) % usable.length] ?? {}
        const sql = `SELECT a, n, b FROM (SELECT ${left} AS a, ${right} AS b) v CROSS JOIN (VALUES (1), (2)) t(n)`
        const asked = [a, 2, b] as KeyValues
        const expected = [[a, 2, b]]
        const missed: KeyValues = [a as KeyValue, 3, b as KeyValue]
        expect(await lookup(sql, ['a', 'n', 'b'], [asked]), sql).toEqual(expected)
        expect(await lookup(sql, ['a', 'n', 'b'], [missed, asked]), sql).toEqual(expected)
        const rest = await warehouse().scan({
          sql,
          key: ['a', 'n', 'b'],
          after: [a as KeyValue, 1, b as KeyValue],
        })
        expect(await collect(rest), `behind, ${sql}`).toEqual(expected)
      }
      expect(usable.length).toBeGreaterThan(10)
    })

    test('MUST tell of an append the keys that it stored, in each form that was asked for', async () => {
      const rows = [
        ['1', '23'],
        ['12', '3'],
        ['12', '3'],
        ['1', null],
        [null, '23'],
      ]
      const asked: KeyColumns[] = [
        { table: 'users', columns: ['user_id'] },
        { table: 'users', columns: ['user_id', 'name'] },
        { table: 'users', columns: ['name', 'user_id'] },
        { table: 'users', columns: ['user_id', 'nothing'] },
      ]
      const tables = [{ table: 'users', columns: ['user_id', 'name'], rows }]
      const { changes } = await warehouse().append({ jobId: 'composite', batch: 0, tables, keys: asked })
      const told = changes.find(({ table }) => table === 'feature_store.users')?.keys ?? []
      expect(told.map(({ columns, values }) => [columns, asText(values)])).toEqual([
        [['user_id'], asText([['1'], ['12']])],
        [
          ['user_id', 'name'],
          asText([
            ['1', '23'],
            ['12', '3'],
          ]),
        ],
        [
          ['name', 'user_id'],
          asText([
            ['23', '1'],
            ['3', '12'],
          ]),
        ],
      ])
    })

    test.for([
      [['a', 'nothing'], 'nothing'],
      [[], 'at least one'],
    ] as const)('MUST refuse the key %j as BAD_USER_INPUT', async ([key, told]) => {
      const refused = { code: 'BAD_USER_INPUT', message: expect.stringContaining(told) }
      const values = [key.map(() => 1)]
      await expect(warehouse().lookup({ sql: all, key, values })).rejects.toMatchObject(refused)
      await expect(warehouse().scan({ sql: all, key })).rejects.toMatchObject(refused)
    })
  })
}

function isNested(value: Value): boolean {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array)
}
