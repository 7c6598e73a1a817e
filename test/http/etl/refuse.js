export function transform(row) {
  if (row.n === 1) throw new Error('one is refused')
  return { key: row.n ?? row.name }
}
