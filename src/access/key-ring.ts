// The catalog's API keys in memory, so that a request asks no database; kept in step with what other processes make and revoke.

import { timingSafeEqual } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { ApiKeyRecord, ApiKeys } from '../catalog/api-keys.ts'
import { AppError, messageOf } from '../errors.ts'
import type { Events } from '../events.ts'
import { readToken } from './api-key-token.ts'
import { createIdentity, type Identity } from './identity.ts'
import { readScopes } from './scopes.ts'

/** Where an event is lost, other processes' changes are seen after so long. */
const lookEveryMs = 2_000
/** A key that is not known may be new; strangers' guesses ask the database no more often than this. */
const lookAgainAfterMs = 250
const noteUsesEveryMs = 60_000

export interface KeyRing {
  /** Rejects with UNAUTHENTICATED for what is no key, or one that is over; with CATALOG_UNAVAILABLE while a new one cannot be told from that. */
  identify(token: string): Promise<Identity>
  /** How many keys can be signed in with. */
  readonly size: number
  close(): Promise<void>
}

interface Held {
  secretSha256: Uint8Array
  identity: Identity
  revoke(): void
  /** The last use that the catalog knows of. */
  notedMs: number
}

export async function openKeyRing(options: {
  apiKeys: ApiKeys
  events: Events
  /** Whether other processes may make and revoke keys. */
  isShared: boolean
  log: Logger
}): Promise<KeyRing> {
  const { apiKeys, events, isShared, log } = options
  const held = new Map<string, Held>()
  let state = ''
  let lookedAtMs = Number.NEGATIVE_INFINITY
  let looking: Promise<void> | null = null
  let again = false
  let lookingSoon: Promise<void> | null = null

  async function load() {
    lookedAtMs = performance.now()
    const found = await apiKeys.state()
    const records = await apiKeys.all()
    state = found
    for (const record of records) {
      const known = held.get(record.id) ?? hold(record)
      held.set(record.id, known)
      if (record.revokedAt !== null && known.identity.endAt(0) === null) known.revoke()
    }
    // One that somebody deleted by hand is as good as revoked.
    const ids = new Set(records.map(({ id }) => id))
    for (const [id, key] of held) {
      if (ids.has(id)) continue
      held.delete(id)
      key.revoke()
    }
  }

  /** What changes while it looks, it looks at once more. */
  function look(): Promise<void> {
    again = looking !== null
    looking ??= (async () => {
      do {
        again = false
        await load()
      } while (again)
    })().finally(() => {
      looking = null
    })
    return looking
  }

  /** For a key that is not known, as soon as it is time; together with whoever asks meanwhile. */
  function lookAgain(): Promise<void> {
    lookingSoon ??= sleep(Math.max(0, lookedAtMs + lookAgainAfterMs - performance.now())).then(() => {
      lookingSoon = null
      return look()
    })
    return lookingSoon
  }

  function lookInBackground() {
    look().catch((error: unknown) => {
      log.warn({ reason: messageOf(error) }, 'The API keys could not be read from the catalog')
    })
  }

  async function lookForChanges() {
    const found = await apiKeys.state().catch(() => state)
    if (found !== state) lookInBackground()
  }

  async function noteUses() {
    const used = [...held].filter(([, { identity, notedMs }]) => identity.lastUsedMs > notedMs)
    const uses = used.map(([id, { identity }]) => ({ id, at: new Date(identity.lastUsedMs) }))
    try {
      await apiKeys.noteUses(uses)
      for (const [i, [, key]] of used.entries()) key.notedMs = uses[i]?.at.getTime() ?? key.notedMs
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'When API keys were last used could not be noted')
    }
  }

  await look()
  const stopListening = events.listen('apiKeys', 'all', lookInBackground)
  const timers = [setInterval(noteUses, noteUsesEveryMs).unref()]
  if (isShared) timers.push(setInterval(lookForChanges, lookEveryMs).unref())

  return {
    async identify(token) {
      const read = readToken(token)
      if (read === null) throw refusal('The API key is not whole: it has the form fgw_…_…')
      if (!held.has(read.id)) await lookAgain()
      const key = held.get(read.id)
      if (key === undefined || !timingSafeEqual(key.secretSha256, read.secretSha256)) {
        throw refusal('The API key is unknown')
      }
      const end = key.identity.endAt(Date.now())
      if (end !== null) {
        throw refusal(`The API key ${read.id} ${end === 'REVOKED' ? 'was revoked' : 'has expired'}`)
      }
      return key.identity
    },
    get size() {
      const nowMs = Date.now()
      return [...held.values()].filter(({ identity }) => identity.endAt(nowMs) === null).length
    },
    async close() {
      stopListening()
      for (const timer of timers) clearInterval(timer)
      await looking?.catch(() => undefined)
      await noteUses()
    },
  }
}

function hold({ id, name, scopes, secretSha256, expiresAt, lastUsedAt }: ApiKeyRecord): Held {
  const key = createIdentity({
    caller: id,
    name,
    scopes: readScopes(scopes),
    expiresAtMs: expiresAt?.getTime() ?? Number.POSITIVE_INFINITY,
  })
  return { ...key, secretSha256, notedMs: lastUsedAt?.getTime() ?? 0 }
}

function refusal(message: string): AppError {
  return new AppError('UNAUTHENTICATED', message)
}
