// A Redis server looked at for the doctor: whether its settings keep what the gateway stores there.

import type { Redis } from 'ioredis'
import { checkClock, fail, type Notice, ok, warn } from '../../telemetry/notices.ts'

export async function examineRedis(nodes: readonly Redis[]): Promise<Notice[]> {
  const found: Notice[] = []
  for (const node of nodes) {
    const { host, port } = node.options
    const of = nodes.length > 1 ? `${host}:${port}: ` : ''
    for (const notice of await examineNode(node)) found.push({ ...notice, text: of + notice.text })
  }
  return found
}

async function examineNode(node: Redis): Promise<Notice[]> {
  const askedMs = Date.now()
  const [seconds, microseconds] = await node.time()
  const answeredMs = Date.now()
  const info = parseInfo(await node.info())
  const [policy, appendOnly] = [await setting(node, 'maxmemory-policy'), await setting(node, 'appendonly')]
  return [
    ok(`Redis ${info.get('redis_version')} answers in ${answeredMs - askedMs} ms`),
    checkClock(Number(seconds) * 1000 + Number(microseconds) / 1000, askedMs, answeredMs),
    checkRole(info),
    checkEviction(policy ?? info.get('maxmemory_policy') ?? null, Number(info.get('maxmemory') ?? 0)),
    checkPersistence(appendOnly ?? (info.get('aof_enabled') === '1' ? 'yes' : 'no')),
    checkMemory(Number(info.get('used_memory') ?? 0), Number(info.get('maxmemory') ?? 0)),
  ]
}

function checkRole(info: ReadonlyMap<string, string>): Notice {
  if (info.get('role') === 'master') return ok('it takes writes')
  return fail(
    'it is a replica, which takes no writes',
    'name the master in ONLINE_URL, or the Sentinels (redis-sentinel:)',
  )
}

/** Watermarks have no time to live: a server that evicts any key forgets them, and old rows would be served as fresh. */
function checkEviction(policy: string | null, maxmemory: number): Notice {
  if (policy === null)
    return warn('it does not tell its maxmemory-policy', 'make sure that it is noeviction or a volatile one')
  if (!policy.startsWith('allkeys-')) return ok(`maxmemory-policy is ${policy}`)
  const text = `maxmemory-policy is ${policy}: it evicts what must not be lost, and old rows would be served as fresh`
  const mend = 'CONFIG SET maxmemory-policy noeviction (or volatile-lru), and the same in redis.conf'
  return maxmemory === 0 ? warn(`${text}, once it has a maxmemory`, mend) : fail(text, mend)
}

function checkPersistence(appendOnly: string): Notice {
  if (appendOnly === 'yes') return ok('appendonly is yes')
  return warn(
    'appendonly is no: a crash takes all writes since the last snapshot, which a gateway that lives through it notices, and no other',
    'CONFIG SET appendonly yes, and the same in redis.conf; or empty the store (FLUSHDB) after each crash',
  )
}

function checkMemory(used: number, most: number): Notice {
  if (most === 0 || used < 0.9 * most) return ok(`it uses ${Math.ceil(used / 1024 / 1024)} MiB of memory`)
  return warn(
    `it uses ${Math.round((100 * used) / most)} % of its maxmemory: writes will be refused`,
    'raise maxmemory, or give views a ttlSeconds',
  )
}

function parseInfo(text: string): Map<string, string> {
  return new Map(
    text.split('\r\n').flatMap((line) => {
      const at = line.indexOf(':')
      return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const]
    }),
  )
}

/** Null where the server does not tell: many that are rented forbid CONFIG. */
export async function setting(node: Redis, name: string): Promise<string | null> {
  try {
    const answer: unknown = await node.config('GET', name)
    const value = Array.isArray(answer) ? answer[1] : null
    return typeof value === 'string' ? value : null
  } catch {
    return null
  }
}
