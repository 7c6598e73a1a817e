// On top of a feature service, with what a request brings; refuses one note.
export const columns = { score: 'FLOAT64', amount: 'DECIMAL(18, 2)', note: 'STRING', pair: 'JSON' }
export function transform(row) {
  if (row.note === '日本') throw new Error('é is refused')
  return { score: (row.small ?? 0) + 0.5, amount: row.amount, note: row.note, pair: [row.small, null] }
}
