// A dialect: how an engine writes what every warehouse says. Each has its sheet, `dialect.ts` in its folder, beside
// `column-types.ts`, which says of each type how its values are read and written.

export interface Dialect {
  /** The engine's types by the word for the storage type; what is not here it is given as it is. */
  types: Readonly<Record<string, string>>
  decimal(precision: number, scale: number): string
  list(item: string, length: number | null): string
  struct(fields: readonly { name: string; type: string }[]): string
  /** Names that differ in case alone are one. */
  ignoresCase: boolean
  /** Schemas whose tables are not the users'. */
  closedSchemas: readonly string[]
}
