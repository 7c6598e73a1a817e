// The four tables that emulated flows are written to: an example beside the users' own, made when the first flow is published.

import type { NewColumn, NewTable, Warehouse } from '../warehouse/port.ts'

const columns = (types: Record<string, NewColumn['type']>): NewColumn[] =>
  Object.entries(types).map(([name, type]) => ({ name, type, nullable: true }))

export const demoTables = [
  {
    name: 'users',
    columns: columns({ user_id: 'STRING', name: 'STRING', address: 'STRING', creation_date: 'FLOAT64' }),
  },
  {
    name: 'quotes',
    columns: columns({
      quote_id: 'STRING',
      user_id: 'STRING',
      creation_date: 'FLOAT64',
      binding_date: 'FLOAT64',
      quote_type: 'STRING',
      quote_device: 'STRING',
      is_binded: 'BOOLEAN',
      is_paid: 'BOOLEAN',
    }),
  },
  {
    name: 'transactions',
    columns: columns({
      transaction_id: 'STRING',
      user_id: 'STRING',
      ref_id: 'STRING',
      ref_type: 'STRING',
      transaction_time: 'FLOAT64',
      successful: 'BOOLEAN',
      card_number: 'STRING',
      card_expiration_date: 'FLOAT64',
      card_type: 'STRING',
    }),
  },
  {
    name: 'policies',
    columns: columns({
      policy_id: 'STRING',
      user_id: 'STRING',
      quote_id: 'STRING',
      purchase_time: 'FLOAT64',
      policy_type: 'STRING',
      policy_device: 'STRING',
    }),
  },
] as const satisfies readonly NewTable[]

export type DemoTable = (typeof demoTables)[number]['name']

/** Those that are there already stay as they are. */
export async function createDemoTables(warehouse: Pick<Warehouse, 'createTable'>): Promise<void> {
  for (const table of demoTables) await warehouse.createTable({ ...table, indexed: ['user_id'] })
}
