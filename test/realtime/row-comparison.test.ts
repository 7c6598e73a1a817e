// Rows are compared as far as their statement promises them: exactly, but for the last digits, or not at all.

import { describe, expect, test } from 'vitest'
import { type Comparison, compareRows } from '../../src/realtime/parity/row-comparison.ts'
import { exact, open, rounding } from '../../src/sql/finding.ts'

const columns = { id: exact, total: rounding('sum'), names: open('string_agg') }

type Name = keyof typeof columns

function compare(
  names: readonly Name[],
  a: readonly unknown[],
  b: readonly unknown[],
  rows = exact,
): Comparison {
  const promised = { columns: new Map(names.map((name) => [name, columns[name]])), rows }
  const texts = (side: readonly unknown[]) => side.map((row) => JSON.stringify(row))
  const result = compareRows(texts(a), texts(b), promised)
  expect(compareRows(texts(b), texts(a), promised)).toBe(result)
  return result
}

describe('Rows of exact columns', () => {
  test('are the same in any order, and different by the last digit, by number and by absence', () => {
    const rows = [{ id: 1 }, { id: 2 }, { id: 2 }]
    expect(compare(['id'], rows, [rows[2], rows[0], rows[1]])).toBe('SAME')
    expect(compare(['id'], [{ id: 0.1 + 0.2 }], [{ id: 0.3 }])).toBe('DIFFERENT')
    expect(compare(['id'], rows, rows.slice(1))).toBe('DIFFERENT')
    expect(compare(['id'], [{ id: null }], [{}])).toBe('DIFFERENT')
  })
})

describe('Columns that round', () => {
  test('may differ by a relative 1e-12, each row beside its own', () => {
    const a = [
      { id: 1, total: 0.1 + 0.2 },
      { id: 1, total: 5e100 },
      { id: 2, total: null },
    ]
    const b = [
      { id: 2, total: null },
      { id: 1, total: 5.000000000001e100 },
      { id: 1, total: 0.3 },
    ]
    expect(compare(['id', 'total'], a, b)).toBe('SAME')
    expect(compare(['id', 'total'], a, [{ id: 1, total: 0.3000000001 }, ...b.slice(0, 2)])).toBe('ROUNDED')
    expect(compare(['id', 'total'], a, [{ id: 3, total: 0.3 }, ...b.slice(0, 2)])).toBe('DIFFERENT')
    expect(compare(['id', 'total'], [{ id: 1, total: 1 }], [{ id: 1, total: null }])).toBe('ROUNDED')
  })
})

describe('Columns that are left open', () => {
  test('make a difference undetermined, unless an exact one differs too', () => {
    const a = [{ id: 1, total: 1, names: 'a,b' }]
    expect(compare(['id', 'total', 'names'], a, [{ id: 1, total: 1, names: 'b,a' }])).toBe('UNDETERMINED')
    expect(compare(['id', 'total', 'names'], a, [{ id: 2, total: 1, names: 'b,a' }])).toBe('DIFFERENT')
    expect(compare(['id', 'names'], a, [...a, ...a])).toBe('DIFFERENT')
  })

  test('of the rows themselves, make any difference undetermined', () => {
    expect(compare(['id'], [{ id: 1 }], [{ id: 2 }, { id: 3 }], open('LIMIT'))).toBe('UNDETERMINED')
    expect(compare(['id'], [{ id: 1 }], [{ id: 1 }], open('LIMIT'))).toBe('SAME')
  })
})
