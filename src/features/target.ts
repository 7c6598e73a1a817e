// What a lookup is asked of: a query's rows, or what an ETL makes of them, by an index key.

export interface LookupTarget {
  /** Of a saved query, or its name. */
  queryId: string
  /** Where the ETL lives or its id in the catalog; null serves the query's own rows. */
  etlPath: string | null
  /** The key's column, or a JSON array of its columns. */
  indexKey: string
}
