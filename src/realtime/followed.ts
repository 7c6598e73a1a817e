// The tables that realtime follows, and how names of tables and columns are compared.

/** Rows of this schema's tables change through the gateway, which then refreshes what they touch. */
export const followedSchema = 'feature_store'

/** As `schema.name` in lower case: warehouses do not tell names apart by case. */
export function qualified(table: string): string {
  const name = table.toLowerCase()
  return name.includes('.') ? name : `${followedSchema}.${name}`
}

export function isFollowed(table: string): boolean {
  return qualified(table).startsWith(`${followedSchema}.`)
}

export function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}
