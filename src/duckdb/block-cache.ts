// What the engine keeps in memory of tables' blocks that it has written: bounded while files of any length are loaded, which
// would else fill all that it may hold with what nobody has asked for.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from './database.ts'

const everyMs = 100
/** Kept of what came in since the beginning, and how much of it makes it worth letting go of the rest. */
const [keptBytes, mostBytes] = [8 * 2 ** 20, 32 * 2 ** 20]

/** The instance must allow `memory_limit` to be changed. */
export async function withBoundedCache<T>(
  { use }: Pick<Database, 'use'>,
  memoryMb: number,
  work: () => Promise<T>,
): Promise<T> {
  const read = () => use('quick', undefined, readMemory)
  const { blocks: before } = await read()

  async function trim() {
    const { all, blocks } = await read()
    if (blocks - before < mostBytes) return
    const bytes = Math.ceil(all - (blocks - before - keptBytes))
    // In one call, so that nobody runs under the lower limit. What cannot be let go of just now may be at the next turn.
    const lowered = `SET memory_limit = '${bytes}B'; SET memory_limit = '${memoryMb}MiB'`
    await use('quick', undefined, (connection) => connection.run(lowered)).catch(() => undefined)
  }

  const ended = new AbortController()
  const trimming = (async () => {
    while (!ended.signal.aborted) {
      await sleep(everyMs, undefined, { signal: ended.signal }).catch(() => undefined)
      await trim().catch(() => undefined)
    }
  })()
  try {
    return await work()
  } finally {
    ended.abort()
    await trimming
  }
}

type Connection = Parameters<Parameters<Database['use']>[2]>[0]

async function readMemory(connection: Connection): Promise<{ all: number; blocks: number }> {
  const result = await connection.run(
    "SELECT sum(memory_usage_bytes)::DOUBLE, sum(memory_usage_bytes) FILTER (tag = 'BASE_TABLE')::DOUBLE FROM duckdb_memory()",
  )
  const [row] = await result.getRows()
  return { all: Number(row?.[0] ?? 0), blocks: Number(row?.[1] ?? 0) }
}
