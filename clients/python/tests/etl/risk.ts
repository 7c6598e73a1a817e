export const columns = { per_point: 'FLOAT64' }

export function transform(row: { score: number | null; amount: number }) {
  return { per_point: row.score === null ? null : row.amount / row.score }
}
