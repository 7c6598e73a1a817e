// The tables of docs/index-keys.md, asked of an engine: which spellings find which rows.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Column, Row } from '../../src/values/columns.ts'
import {
  assertKeyColumn,
  canonicalText,
  type KeyValue,
  parseIndexValue,
} from '../../src/values/key-values.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'

interface KeyRow {
  stored: string[]
  canonical: string
  spellings: string[]
  refused: string[]
}

const document = readFileSync(join(import.meta.dirname, '../../docs/index-keys.md'), 'utf8')

/** The cells of a table's lines, each the texts between backticks. */
function readCells(lines: readonly string[]): string[][][] {
  return lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => [...cell.matchAll(/`([^`]*)`/g)].map(([, text = '']) => text)),
  )
}

function tableOf(heading: string): string[] {
  const section = document.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? ''
  return section.split('\n').filter((line) => line.startsWith('|'))
}

function keyRows(heading: string): KeyRow[] {
  return readCells(tableOf(heading).slice(2)).map(
    ([, stored = [], canonical = [], spellings = [], refused = []]) => ({
      stored,
      canonical: canonical[0] ?? '',
      spellings,
      refused,
    }),
  )
}

const values = (expressions: readonly string[]) =>
  `(VALUES ${expressions.map((expression) => `(${expression})`).join(', ')}) t(k)`

export function testKeySpellings(heading: string, warehouse: () => Warehouse): void {
  const keyOf = async (sql: string): Promise<Column> => {
    const column = (await warehouse().describe(sql)).columns.find(({ name }) => name === 'k')
    if (column === undefined) throw new Error(`There is no column k in ${sql}`)
    return column
  }
  const scanned = async (sql: string, after?: KeyValue) => {
    const rows: Row[] = []
    const { batches } = await warehouse().scan({
      sql,
      key: ['k'],
      ...(after !== undefined && { after: [after] }),
    })
    for await (const batch of batches) rows.push(...batch)
    return rows
  }
  const found = async (sql: string, value: KeyValue) =>
    (await warehouse().lookup({ sql, key: ['k'], values: [[value]] })).rows

  /** As one of a key's two columns too: what is equal in one of them is apart only where the other differs. */
  const standTogether = async (sql: string, column: Column, keys: number) => {
    const numbered = `SELECT k, n FROM (${sql}) t CROSS JOIN (VALUES (2), (1), (3)) s(n)`
    for (const key of [
      ['k', 'n'],
      ['n', 'k'],
    ]) {
      const texts: string[] = []
      const { batches } = await warehouse().scan({ sql: numbered, key })
      for await (const batch of batches)
        for (const [k, n] of batch) texts.push(`${n} ${canonicalText(column, k ?? null)}`)
      const turns = texts.filter((text, i) => text !== texts[i - 1])
      expect(turns.length, `${key} of ${sql}`).toBe(3 * keys)
    }
  }

  describe(`keys in ${heading}`, () => {
    const rows = keyRows(heading)

    test('stand in the table', () => expect(rows.length).toBeGreaterThan(10))

    test.each(rows.map((row) => [row.stored.join(', '), row] as const))('%s', async (_, row) => {
      const { stored, canonical, spellings, refused } = row
      const each = `SELECT k FROM ${values(stored)}`
      const grouped = `SELECT k, count(*) AS n FROM ${values(stored)} GROUP BY k`
      const column = await keyOf(each)
      assertKeyColumn(column)
      for (const [cell] of await scanned(each)) expect(canonicalText(column, cell ?? null)).toBe(canonical)
      expect((await scanned(grouped)).map(([, n]) => n)).toEqual([stored.length])
      for (const spelling of [canonical, ...spellings]) {
        const value = parseIndexValue(column, spelling)
        expect(canonicalText(column, value), spelling).toBe(canonical)
        expect(await found(each, value), spelling).toHaveLength(stored.length)
        expect(
          (await found(grouped, value)).map(([, n]) => n),
          spelling,
        ).toEqual([stored.length])
      }
      for (const text of refused) {
        expect(() => parseIndexValue(column, text), text).toThrow(
          expect.objectContaining({ code: 'BAD_USER_INPUT', message: expect.stringContaining('must be') }),
        )
      }
    })

    test('of one type stand together in a scan, and it goes on behind each of them', async () => {
      const byType = new Map<string, { column: Column; stored: string[]; keys: number }>()
      for (const { stored } of rows) {
        const column = await keyOf(`SELECT k FROM ${values(stored)}`)
        const type = `${column.type} ${column.native ?? column.storage}`
        const known = byType.get(type) ?? { column, stored: [], keys: 0 }
        byType.set(type, { column, stored: [...known.stored, ...stored], keys: known.keys + 1 })
      }
      const several = [...byType.values()].filter(({ keys }) => keys > 1)
      expect(several.length).toBeGreaterThan(1)
      for (const { column, stored, keys } of several) {
        const sql = `SELECT k FROM ${values([...stored, ...stored.toReversed()])}`
        const texts = (await scanned(sql)).map(([cell]) => canonicalText(column, cell ?? null))
        const turns = texts.filter((text, i) => text !== texts[i - 1])
        expect([turns.length, texts.length], sql).toEqual([keys, 2 * stored.length])
        await standTogether(sql, column, keys)
        for (const text of turns) {
          const rest = await scanned(sql, parseIndexValue(column, text))
          const behind = rest.map(([cell]) => canonicalText(column, cell ?? null))
          expect(behind, `behind ${text} of ${sql}`).toEqual(texts.slice(texts.lastIndexOf(text) + 1))
        }
      }
    })
  })

  test(`what cannot be a key in ${heading} is refused with a cure that works`, async () => {
    const refusals = refusalsOf(heading)
    expect(refusals.length).toBeGreaterThan(1)
    for (const { stored, cure } of refusals) {
      const column = await keyOf(`SELECT ${stored} AS k`)
      expect(() => assertKeyColumn(column), stored).toThrow(
        expect.objectContaining({
          code: 'BAD_USER_INPUT',
          message: expect.stringContaining(`Write ${cure}`),
        }),
      )
      assertKeyColumn(await keyOf(`SELECT ${cure} FROM (SELECT ${stored} AS k) t`))
    }
  })
}

function refusalsOf(heading: string): { stored: string; cure: string }[] {
  const own = tableOf('What cannot be a key').filter((line) => line.startsWith(`| ${heading} |`))
  return readCells(own).map(([, , [stored = ''] = [], [cure = ''] = []]) => ({ stored, cure }))
}
