// What WAREHOUSE_URL says of a Trino: trino://user:password@host:port/catalog/schema?tls=true&ca=/path.pem&rows=catalog

import { ConfigError } from '../../config/config-error.ts'

export interface TrinoAddress {
  /** `https://host:443` */
  server: string
  user: string
  password: string | null
  /** The PEM file of the authorities that the server's certificate may come from; null for those that Node trusts. */
  caFile: string | null
  /** Where statements find their tables, and where the views of `feature_store` are made. */
  catalog: string
  /** For names that have none; null when the URL names none. */
  schema: string | null
  /** Where the appended rows and the ledger are kept. */
  rowsCatalog: string
}

const example = 'trino://user@host:8080/catalog or trino://user:password@host:443/catalog?tls=true'
const known = new Set(['tls', 'ca', 'rows'])

export function parseTrinoUrl(text: string): TrinoAddress {
  const url = URL.parse(text)
  if (url === null) throw fault(`is no URL; it should be like ${example}`)
  const [catalog = '', schema = '', ...rest] = url.pathname.slice(1).split('/').map(decodeURIComponent)
  if (catalog === '' || rest.length > 0)
    throw fault(`must name a catalog, and perhaps a schema in it: ${example}`)
  const foreign = [...url.searchParams.keys()].find((name) => !known.has(name))
  if (foreign !== undefined) throw fault(`has no parameter "${foreign}"; there is ${[...known].join(', ')}`)
  const tls = url.searchParams.get('tls') ?? 'false'
  if (tls !== 'true' && tls !== 'false') throw fault('has tls neither true nor false')
  if (url.hostname === '') throw fault(`names no host: ${example}`)
  if (url.password !== '' && tls === 'false')
    throw fault('has a password, which Trino takes over TLS alone: add ?tls=true')
  const caFile = url.searchParams.get('ca')
  if (caFile !== null && tls === 'false') throw fault('has a ca, which goes with TLS alone: add tls=true')
  const port = url.port === '' ? (tls === 'true' ? '443' : '8080') : url.port
  return {
    server: `${tls === 'true' ? 'https' : 'http'}://${url.hostname}:${port}`,
    user: url.username === '' ? 'gateway' : decodeURIComponent(url.username),
    password: url.password === '' ? null : decodeURIComponent(url.password),
    caFile,
    catalog,
    schema: schema === '' ? null : schema,
    rowsCatalog: url.searchParams.get('rows') ?? catalog,
  }
}

/** Never with the URL itself, which may hold a password. */
function fault(what: string): ConfigError {
  return new ConfigError(`WAREHOUSE_URL ${what}`)
}
