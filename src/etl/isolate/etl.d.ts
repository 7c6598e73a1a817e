// The module that child.ts makes of an ETL's source, as the harness sees it.

declare module 'etl' {
  export function instantiate(): {
    transform?: (row: Record<string, unknown>) => unknown
    extract?: (rows: Record<string, unknown>[]) => unknown
    columns?: unknown
  }
}
