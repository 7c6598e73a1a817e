// A real Redis master with a replica, watched by three Sentinels; the master can be killed, and the replica takes over.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis, type RedisOptions } from 'ioredis'
import { createFolder, freePort, startChild } from './child.ts'
import { programPath } from './programs.ts'
import { startRedis } from './redis.ts'

const sentinels = 3

export async function startRedisSentinel({ password }: { password?: string } = {}) {
  const args = [
    ...['--repl-diskless-sync-delay', '0'],
    ...(password === undefined ? [] : ['--requirepass', password, '--masterauth', password]),
  ]
  const folder = await createFolder('redis-sentinel')
  const master = await startRedis({ args })
  const replica = await startRedis({ args: [...args, '--replicaof', '127.0.0.1', `${master.port}`] })
  const children: Awaited<ReturnType<typeof startSentinel>>[] = []
  async function stop() {
    await Promise.all([master.stop(), replica.stop(), ...children.map((child) => child.end('SIGKILL'))])
    await folder.remove()
  }
  try {
    for (let i = 0; i < sentinels; i++) {
      children.push(await startSentinel(join(folder.path, `${i}.conf`), master.port, password))
    }
    await Promise.all(children.map(({ port }) => knowsAll(port)))
    const guarded = password === undefined ? {} : { password }
    await untilInfo({ port: master.port, ...guarded }, 'replication', /state=online/)
  } catch (error) {
    await stop()
    throw error
  }
  const hosts = children.map(({ port }) => `127.0.0.1:${port}`).join(',')
  return { hosts, url: `redis-sentinel://${hosts}/mymaster`, master, replica, stop }
}

async function startSentinel(file: string, masterPort: number, password: string | undefined) {
  const port = await freePort()
  await writeFile(
    file,
    [
      `port ${port}`,
      'bind 127.0.0.1',
      `sentinel monitor mymaster 127.0.0.1 ${masterPort} 2`,
      'sentinel down-after-milliseconds mymaster 1000',
      'sentinel failover-timeout mymaster 5000',
      ...(password === undefined ? [] : [`sentinel auth-pass mymaster "${password}"`]),
    ].join('\n'),
  )
  const child = await startChild(programPath('redis-server'), [file, '--sentinel'], { ready: /\+monitor/ })
  return { ...child, port }
}

/** A Sentinel helps in a failover once it has found the replica and the other Sentinels. */
function knowsAll(port: number) {
  return untilInfo({ port }, 'sentinel', /slaves=1,sentinels=3/)
}

async function untilInfo(options: Pick<RedisOptions, 'port' | 'password'>, section: string, wanted: RegExp) {
  const client = new Redis({ host: '127.0.0.1', ...options })
  try {
    const deadlineMs = Date.now() + 30_000
    for (;;) {
      const info = await client.info(section)
      if (wanted.test(info)) return
      if (Date.now() > deadlineMs) throw new Error(`The servers did not find each other: ${info}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  } finally {
    client.disconnect()
  }
}
