export function transform(row: { station: string; total: number | null }) {
  console.log(row.station)
  return { station: row.station, level: row.total === null ? null : row.total > 2 ? 'high' : 'low' }
}
