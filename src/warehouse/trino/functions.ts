// What of Trino's functions and reserved words gives more than its arguments hold, listed once: what tells the time, and
// what no statement may ask for.

/** Reserved: outside of texts and quoted names they are nothing else. */
export const clockWords: ReadonlySet<string> = new Set([
  'current_date',
  'current_time',
  'current_timestamp',
  'localtime',
  'localtimestamp',
])

/** The engine lists them as deterministic: within one statement they are. */
export const clockFunctions: ReadonlySet<string> = new Set([...clockWords, 'now'])

/** Reserved; they tell of the session. */
export const settingWords: ReadonlySet<string> = new Set([
  'current_catalog',
  'current_path',
  'current_role',
  'current_schema',
  'current_user',
])

/** They tell of the session or of the server. */
export const settingFunctions: ReadonlySet<string> = new Set([
  'version',
  'current_groups',
  'current_timezone',
])

/** Not reserved: a column may bear the name. */
export const limitWords: ReadonlySet<string> = new Set(['limit', 'fetch', 'offset'])
