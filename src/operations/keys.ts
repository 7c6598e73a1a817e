// `npm run keys -- create | list | revoke`: API keys from the command line, with the settings of the gateway that they are for.

import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { createKeyDesk, type KeyDesk, type KeyEntry } from '../access/key-desk.ts'
import { remoteKeyDesk } from '../access/remote-key-desk.ts'
import { scopes } from '../access/scopes.ts'
import { acquireLock } from '../catalog/database/lock.ts'
import { type Config, dataPaths, parseConfig } from '../config/config.ts'
import { ConfigError } from '../config/config-error.ts'
import { makeFolder } from '../config/folders.ts'
import { AppError, messageOf } from '../errors.ts'
import { NoGateway } from '../processes/command-socket.ts'
import { endOnClosedPipe } from './closed-pipe.ts'

const usage = `API keys for callers of the gateway. Set what the gateway has: DATA_DIR, CATALOG_URL.

  npm run keys -- create --name <whose> --scope <scope>[,<scope> …] [--scope <scope> …] [--expires 90d]
  npm run keys -- list [--json]
  npm run keys -- revoke <key_id>

Scopes: ${scopes.join(', ')}; admin includes all others.
--expires takes days, hours or minutes (90d, 12h, 30m) or a date (2027-01-31); without it a key is good until it is revoked.
The key is the one line on standard output; it is shown this once.`

/** What is wrong with the command line. */
class UsageError extends Error {}

const units: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

function parseExpiry(text: string | undefined): Date | null {
  if (text === undefined) return null
  const [, count, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  if (count !== undefined) return new Date(Date.now() + Number(count) * (units[unit] ?? 0))
  const date = /^\d{4}-\d{2}-\d{2}/.test(text) ? new Date(text) : null
  if (date !== null && !Number.isNaN(date.getTime())) return date
  throw new UsageError(
    `--expires takes 90d, 12h, 30m or a date such as 2027-01-31, not ${JSON.stringify(text)}`,
  )
}

function readCommandLine() {
  try {
    return parseArgs({
      options: {
        name: { type: 'string' },
        scope: { type: 'string', multiple: true, default: [] },
        expires: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
      allowPositionals: true,
    })
  } catch (error) {
    throw new UsageError(messageOf(error))
  }
}

async function main() {
  const { values, positionals } = readCommandLine()
  const [command, id, ...more] = positionals
  if (values.help || command === undefined) return console.log(usage)
  if (more.length > 0 || (command !== 'revoke' && id !== undefined)) {
    throw new UsageError(`What is ${JSON.stringify(more[0] ?? id)} for?`)
  }
  switch (command) {
    case 'create': {
      const { name, scope } = values
      if (name === undefined) throw new UsageError('create needs --name: whose key it is')
      if (scope.length === 0) throw new UsageError(`create needs --scope: some of ${scopes.join(', ')}`)
      const asked = {
        name,
        scopes: scope.flatMap((some) => some.split(',')),
        expiresAt: parseExpiry(values.expires),
      }
      const { key, token } = await withKeyDesk((desk) => desk.create(asked))
      console.error(`${describe(key)}\nSend it as "Authorization: Bearer …". It is shown this once:`)
      return console.log(token)
    }
    case 'list': {
      const keys = await withKeyDesk((desk) => desk.list())
      if (values.json) return console.log(JSON.stringify(keys, null, 2))
      return console.log(keys.length === 0 ? 'There is no API key' : keys.map(describe).join('\n'))
    }
    case 'revoke': {
      if (id === undefined) throw new UsageError('revoke needs the id of a key: key_…')
      return console.log(describe(await withKeyDesk((desk) => desk.revoke(id))))
    }
    default:
      throw new UsageError(`${JSON.stringify(command)} is none of create, list, revoke`)
  }
}

function describe({ id, name, scopes: granted, expiresAt, revokedAt, lastUsedAt }: KeyEntry): string {
  const state =
    revokedAt !== null
      ? `revoked ${revokedAt.toISOString()}`
      : expiresAt === null
        ? 'does not expire'
        : `${expiresAt.getTime() <= Date.now() ? 'expired' : 'expires'} ${expiresAt.toISOString()}`
  const used = lastUsedAt === null ? 'not used yet' : `last used ${lastUsedAt.toISOString()}`
  return `${id}  ${name}  ${granted.join(',')}  ${state}  ${used}`
}

/** Through the gateway that has the embedded catalog open, where one has; else on the catalog itself. */
async function withKeyDesk<T>(work: (desk: KeyDesk) => Promise<T>): Promise<T> {
  const config = parseConfig(process.env)
  if (!config.catalogUrl.startsWith('pglite:')) return withCatalog(config, work)
  const paths = dataPaths(config.dataDir)
  try {
    return await work(remoteKeyDesk(paths.socket))
  } catch (error) {
    if (!(error instanceof NoGateway)) throw error
  }
  await makeFolder(config.dataDir, 'DATA_DIR')
  const lock = await acquireLock(paths.lock)
  try {
    return await withCatalog(config, work)
  } finally {
    await lock.release()
  }
}

async function withCatalog<T>(config: Config, work: (desk: KeyDesk) => Promise<T>): Promise<T> {
  // Where a gateway is asked instead, none of it is needed.
  const { openCatalog } = await import('../catalog/open.ts')
  const log = pino({ level: 'warn' }, pino.destination(2))
  const folder = dataPaths(config.dataDir).catalog
  const catalog = await openCatalog({ url: config.catalogUrl, folder, log })
  try {
    return await work(createKeyDesk(catalog))
  } finally {
    await catalog.close()
  }
}

endOnClosedPipe()
main().catch((error: unknown) => {
  const isKnown = error instanceof AppError || error instanceof ConfigError || error instanceof UsageError
  console.error(isKnown ? error.message : `The keys cannot be reached: ${messageOf(error)}`)
  if (error instanceof UsageError) console.error(`\n${usage}`)
  process.exitCode = 1
})
