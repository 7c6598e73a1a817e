// Where the soak runs: gateways as processes on embedded stores or on PostgreSQL and Redis, and what can be broken of that.

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import pg from 'pg'
import { type Child, createFolder, freePort, startChild } from '../../test/servers/child.ts'
import { startPostgres } from '../../test/servers/postgres.ts'
import { startProxy } from '../../test/servers/proxy.ts'
import { startRedis } from '../../test/servers/redis.ts'
import type { FaultKind } from './outcomes.ts'

const ready = /Ready\. GraphQL and GraphiQL: /

export interface Gateway {
  url: string
  pid(): number
  isUp(): boolean
  /** When its present process became ready. */
  sinceMs(): number
  kill(): Promise<void>
  start(): Promise<void>
  output(): string
}

export interface Fault {
  kind: FaultKind
  run(): Promise<void>
}

export interface Place {
  name: string
  /** The first is killed only where it is the only one. */
  gateways: readonly Gateway[]
  faults: readonly Fault[]
  /** Connections that the stores count, by store. */
  connections(): Promise<Record<string, number>>
  stop(): Promise<void>
}

async function createGateway(settings: Record<string, string>): Promise<Gateway & { stop(): Promise<void> }> {
  const folder = await createFolder('soak')
  const port = await freePort()
  const env = {
    PORT: `${port}`,
    DATA_DIR: folder.path,
    ETL_SOURCES: './examples/etl',
    WAREHOUSE_MEMORY_MB: '512',
    // On a machine that has other work too, slow is not wrong: only what hangs is.
    LOOKUP_TIMEOUT_MS: '60000',
    ...settings,
  }
  let child: Child | null = null
  let sinceMs = 0
  let outputs = ''
  const gateway = {
    url: `http://127.0.0.1:${port}`,
    pid: () => child?.pid ?? 0,
    isUp: () => child !== null,
    sinceMs: () => sinceMs,
    output: () => outputs + (child?.output() ?? ''),
    async start() {
      const args = ['--expose-gc', '--import', './bench/soak/collect-on-signal.ts', 'src/main.ts']
      child = await startChild(process.execPath, args, { ready, env, startTimeoutMs: 300_000 })
      sinceMs = Date.now()
    },
    async kill() {
      const dying = child
      child = null
      outputs += dying?.output() ?? ''
      await dying?.end('SIGKILL')
    },
    async stop() {
      await child?.end()
      await folder.remove()
    },
  }
  await gateway.start()
  return gateway
}

function killOf(gateway: Gateway): Fault {
  return {
    kind: 'gateway killed',
    async run() {
      await gateway.kill()
      await gateway.start()
    },
  }
}

export async function openEmbedded(): Promise<Place> {
  const gateway = await createGateway({})
  return {
    name: 'embedded stores',
    gateways: [gateway],
    faults: [killOf(gateway)],
    connections: async () => ({}),
    stop: () => gateway.stop(),
  }
}

export async function openServers(): Promise<Place> {
  // A Redis that forgets nothing: what is lost of one that does is told in the README, and is not to be soaked out.
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis({ persistent: true })])
  const proxy = await startProxy(redis.port)
  const admin = new pg.Pool({ connectionString: postgres.url, max: 1, idleTimeoutMillis: 1 })
  admin.on('error', () => {})
  await admin.query('CREATE DATABASE catalog')
  await admin.query('CREATE DATABASE warehouse')
  const datasets = await createFolder('soak-datasets')
  const settings = {
    CATALOG_URL: postgres.databaseUrl('catalog'),
    WAREHOUSE_URL: postgres.databaseUrl('warehouse'),
    ONLINE_URL: `redis://127.0.0.1:${proxy.port}`,
    DATASETS_DIR: join(datasets.path, 'datasets'),
  }
  const steady = await createGateway(settings)
  const killed = await createGateway(settings)

  return {
    name: 'PostgreSQL and Redis, two gateways',
    gateways: [steady, killed],
    faults: [
      {
        kind: 'Redis killed',
        async run() {
          await redis.kill()
          await sleep(1_500)
          await redis.restart()
        },
      },
      killOf(killed),
      { kind: 'PostgreSQL restarted', run: () => postgres.restart() },
      {
        kind: 'Redis hangs',
        async run() {
          proxy.hang()
          await sleep(4_000)
          proxy.goOn()
        },
      },
    ],
    async connections() {
      const { rows } = await admin.query(
        "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname IN ('catalog', 'warehouse')",
      )
      const client = new Redis(redis.url)
      const list = String(await client.client('LIST'))
      client.disconnect()
      return { PostgreSQL: Number(rows[0].n), Redis: list.trim().split('\n').length - 1 }
    },
    async stop() {
      await Promise.all([steady.stop(), killed.stop()])
      await admin.end()
      await proxy.stop()
      await Promise.all([postgres.stop(), redis.stop(), datasets.remove()])
    },
  }
}
