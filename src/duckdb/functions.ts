// The engine's functions that give more than their arguments hold, listed once: those that no statement may call, and those
// that give another result at each run.

/** They tell of the server, change it, run text as SQL, or take bytes for the engine's own. */
export const refusedFunction =
  /^(getenv|current_setting|getvariable|query|query_table|nextval|currval|setseed|write_log|parse_duckdb_log_message|sleep|sleep_ms|stats|current_query|current_query_id|current_transaction_id|current_connection_id|current_(database|schema|schemas|user|role|catalog)|session_user|user|version|txid_current|in_search_path|has_\w+_privilege|pragma_.*|duckdb_.*|pg_.*|read_.*|parquet_.*|sniff_csv|glob|json_execute.*|json_serialize_.*|json_deserialize_.*|getvariable|which_secret|from_substrait.*|add_parquet_key|inet_.*|col_description|obj_description|shobj_description|get_block_size|format_pg_type|map_to_pg_oid|__internal_.*|finalize|combine|variant_bytes_to_variant)$/

/** From query to query, though the engine itself does not mark them so. Those that are refused too stand here for views and macros, which may call them. */
export const changingFunction =
  /^(now|today|ago|random|setseed|uuid(v\d)?|gen_random_uuid|get_current_.*|current_.*|local.*|transaction_timestamp|txid_.*)$/

/** What of them SQL writes without parentheses. */
export const changingNames: ReadonlySet<string> = new Set([
  'current_date',
  'current_time',
  'current_timestamp',
  'localtime',
  'localtimestamp',
])

/** What tells of the server without parentheses, unless a column bears the name. */
export const settingNames = [
  'current_user',
  'user',
  'session_user',
  'current_role',
  'current_catalog',
  'current_schema',
]

/** The engine marks them as changing, and they never return. */
export const endlessFunctions: ReadonlySet<string> = new Set(['error'])

/** All that may stand after FROM. */
export const tableFunctions: ReadonlySet<string> = new Set(['unnest', 'range', 'generate_series'])
