// A process that appends batch after batch and says so once each is committed, until it is killed.

import { openWarehouse } from './open-duckdb.ts'

const warehouse = await openWarehouse(process.argv[2] ?? '')
for (let batch = 0; ; batch++) {
  const rows = Array.from({ length: 500 }, (_, i) => [`b${batch}-${i}`, 'x'.repeat(100)])
  const users = { table: 'users', columns: ['user_id', 'name'], rows }
  const quotes = { table: 'quotes', columns: ['user_id', 'quote_id'], rows }
  await warehouse.append({ jobId: 'killed', batch, tables: [users, quotes] })
  process.stdout.write(`${batch}\n`)
}
