// Tables of a user's own on DuckDB: keys that are not stored as they are given, and what else happens to rows on their way in.

import type { OwnKey } from '../contract/own-tables.ts'

export const uuid = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'

/** The columns of a table for each. */
export const keys: readonly (OwnKey & { columns: string })[] = [
  {
    name: 'k_uuid',
    columns: 'k UUID, v INTEGER',
    rows: [{ k: uuid.toUpperCase() }, { k: `{${uuid}}` }, { k: uuid.replaceAll('-', '') }, { k: null }],
    stored: [uuid],
    toldAgain: false,
  },
  { name: 'k_decimal', columns: 'k DECIMAL(9,2)', rows: [{ k: '1.50' }, { k: 1.5 }], stored: [1.5] },
  {
    name: 'k_seconds',
    columns: 'k TIMESTAMP_S',
    rows: [{ k: '2026-01-02T03:04:05.4Z' }, { k: '2026-01-02T03:04:05.5Z' }],
    stored: ['2026-01-02T03:04:05Z', '2026-01-02T03:04:06Z'],
    toldAgain: false,
  },
  { name: 'k_float', columns: 'k FLOAT', rows: [{ k: 0.1 }], stored: [Math.fround(0.1)], toldAgain: false },
  { name: 'k_text', columns: 'k VARCHAR(3)', rows: [{ k: 'abcd ' }, { k: '' }], stored: ['abcd ', ''] },
  { name: 'k_bigint', columns: 'k BIGINT', rows: [{ k: '9007199254740993' }], stored: [9007199254740993n] },
  {
    name: 'k_default',
    columns: "k VARCHAR DEFAULT 'none', v INTEGER",
    rows: [{ v: 1 }, { k: 'x', v: 2 }, { k: null }],
    stored: ['none', 'x'],
    toldAgain: false,
  },
  {
    name: 'k_computed',
    columns: 'v VARCHAR, k VARCHAR GENERATED ALWAYS AS (lower(v)) VIRTUAL',
    rows: [{ v: 'A' }],
    stored: ['a'],
    toldAgain: false,
  },
  { name: 'k_left_out', columns: 'k VARCHAR, v INTEGER', rows: [{ v: 1 }], stored: [] },
  { name: 'k_enum', columns: "k ENUM('a', 'b')", rows: [{ k: 'b' }], stored: ['b'], toldAgain: false },
  { name: 'k_case', columns: '"K" VARCHAR', rows: [{ K: 'x' }], stored: ['x'] },
]
