export function transform(row) {
  if (row.n % 2 === 1) throw new Error('odd numbers are refused')
  return { key: row.n ?? row.name }
}
