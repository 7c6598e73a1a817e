// JavaScript, row by row: one row of the query in, one row of features out, or null to drop the row.
// What stands outside of the function is made anew for every row, so a row never sees what another one did.

const hour = 3600

/** The types follow the values; a column named here has its type whatever the values are. */
export const columns = { quoted_at: 'TIMESTAMP', paid_at: 'TIMESTAMP', risk: 'FLOAT64' }

function riskOf(row) {
  const failed = Math.min(row.failed_count ?? 0, 5) / 5
  const hasty = row.binding_date !== null && row.binding_date - row.creation_date < hour ? 0.2 : 0
  return Math.min(1, failed * 0.8 + hasty)
}

export function transform(row) {
  if (row.user_id === null) return null
  return {
    user_id: row.user_id,
    quoted_at: new Date(row.creation_date * 1000),
    paid_at: row.purchase_time === null ? null : new Date(row.purchase_time * 1000),
    failed_payments: row.failed_count ?? 0,
    risk: riskOf(row),
  }
}
