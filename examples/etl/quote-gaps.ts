// The whole frame: all rows in, all rows out. In real time the frame holds the rows of one user, so what it gives for a
// user must need no other user's rows. All rows must fit into memory (ETL_MEMORY_MB); row by row has no such limit.

interface Quote {
  user_id: string | null
  is_binded: boolean
  creation_date: number
}

function byUser(rows: readonly Quote[]): Map<string, Quote[]> {
  const users = new Map<string, Quote[]>()
  for (const row of rows) {
    if (row.user_id === null) continue
    const quotes = users.get(row.user_id)
    if (quotes === undefined) users.set(row.user_id, [row])
    else quotes.push(row)
  }
  return users
}

export const columns = { days_since_last: 'FLOAT64' }

export function extract(rows: readonly Quote[]) {
  return [...byUser(rows)].flatMap(([user_id, quotes]) => {
    const inOrder = quotes.toSorted((a, b) => a.creation_date - b.creation_date)
    return inOrder.map((quote, i) => ({
      user_id,
      quote_number: i + 1,
      days_since_last: i === 0 ? null : (quote.creation_date - (inOrder[i - 1]?.creation_date ?? 0)) / 86_400,
      bound_before: inOrder.slice(0, i).filter((earlier) => earlier.is_binded).length,
    }))
  })
}
