// Comparing rows as the promise means it: the same rows as often, whatever their order.

/** Every row as JSON text with its columns in order of name, sorted. */
export function comparable(rows: readonly Record<string, unknown>[]): string[] {
  return rows.map((row) => JSON.stringify(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)))).sort()
}

/** The rows of a dataset's NDJSON download, grouped by the text of one column; rows without a value are left out. */
export async function rowsByKey(url: string, key: string): Promise<Map<string, Record<string, unknown>[]>> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  const lines = (await response.text()).split('\n').filter((line) => line !== '')
  const rows = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  return Map.groupBy(
    rows.filter((row) => row[key] !== null),
    (row) => String(row[key]),
  )
}
