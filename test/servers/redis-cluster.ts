// A real Redis Cluster of three masters and three replicas on free ports; a server of it can be killed, started again and paused.

import { readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import type { Certificates } from './certificates.ts'
import { createFolder, freePort, runProgram, startChild } from './child.ts'
import { programPath } from './programs.ts'

export interface ClusterOptions {
  /** Replicas of each master. */
  replicas?: number
  /** How long a server must be silent until the others take it for dead. */
  nodeTimeoutMs?: number
  /** Keeps every write over a restart (an append-only file). */
  persistent?: boolean
  args?: readonly string[]
  /** Speaks TLS only, its own servers among each other too. */
  certificates?: Certificates
}

export type ClusterServer = Awaited<ReturnType<typeof startNode>>
export type RedisCluster = Awaited<ReturnType<typeof startRedisCluster>>

const masters = 3
const slots = 16_384

export async function startRedisCluster({
  replicas = 1,
  nodeTimeoutMs = 1000,
  persistent = false,
  args = [],
  certificates,
}: ClusterOptions = {}) {
  // Each server is watched for the end of this process.
  process.setMaxListeners(Math.max(process.getMaxListeners(), 50))
  const folder = await createFolder('redis-cluster')
  const settings = [
    ...['--cluster-enabled', 'yes', '--cluster-node-timeout', `${nodeTimeoutMs}`],
    ...['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'],
    ...(persistent ? ['--appendonly', 'yes', '--appendfsync', 'always'] : []),
    ...args,
  ]
  const nodes: ClusterServer[] = []
  async function stop() {
    await Promise.all(nodes.map((node) => node.stop()))
    await folder.remove()
  }
  try {
    for (let i = 0; i < masters * (1 + replicas); i++) {
      nodes.push(await startNode(`${folder.path}/${i}`, settings, certificates))
    }
    await join(nodes, replicas)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    url: `${certificates ? 'rediss' : 'redis'}-cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    nodes,
    /** The servers that are masters now, each with its slots, by the first living server's word. */
    masters: () => currentMasters(nodes),
    /** The master that holds the key's slot. */
    async masterOf(key: string) {
      const slot = await nodes[0]?.client.cluster('KEYSLOT', key)
      const found = (await currentMasters(nodes)).find(({ ranges }) =>
        ranges.some(([from, to]) => Number(slot) >= from && Number(slot) <= to),
      )
      if (!found) throw new Error(`no master holds slot ${slot}`)
      return found.node
    },
    stop,
  }
}

async function startNode(folder: string, settings: readonly string[], certificates?: Certificates) {
  await runProgram('mkdir', ['-p', folder])
  const [port, busPort] = [await freePort(), await freePort()]
  const listens = certificates
    ? ['--port', '0', '--tls-port', `${port}`, ...tlsSettings(certificates)]
    : ['--port', `${port}`]
  const place = [...listens, '--cluster-port', `${busPort}`, '--bind', '127.0.0.1', '--dir', folder]
  const start = () =>
    startChild(programPath('redis-server'), [...place, '--save', '', ...settings], {
      ready: /Ready to accept connections/,
    })
  let child = await start()
  const client = new Redis(port, '127.0.0.1', {
    retryStrategy: () => 50,
    maxRetriesPerRequest: null,
    lazyConnect: true,
    ...credentialsIn(settings),
    ...(certificates ? { tls: { ca: readFileSync(certificates.authority) } } : {}),
  })
  client.on('error', () => undefined)
  let alive = true
  return {
    port,
    busPort,
    /** A connection of the tests' own, to look at the server from beside. */
    client,
    isAlive: () => alive,
    async kill() {
      alive = false
      await child.end('SIGKILL')
    },
    async restart() {
      await child.end('SIGKILL')
      child = await start()
      alive = true
    },
    pause: () => child.pause(),
    resume: () => child.resume(),
    async stop() {
      client.disconnect()
      await child.end('SIGKILL')
    },
  }
}

function tlsSettings({ certificate, key, authority }: Certificates) {
  return [
    ...['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', authority],
    ...['--tls-auth-clients', 'no', '--tls-cluster', 'yes', '--tls-replication', 'yes'],
  ]
}

function credentialsIn(settings: readonly string[]) {
  const at = settings.indexOf('--requirepass')
  return at < 0 ? {} : { password: settings[at + 1] ?? '' }
}

async function join(nodes: readonly ClusterServer[], replicas: number) {
  const [first] = nodes
  if (!first) return
  await Promise.all(nodes.map(({ client }, i) => client.cluster('SET-CONFIG-EPOCH', i + 1)))
  for (const [i, { client }] of nodes.slice(0, masters).entries()) {
    const [from, to] = [Math.ceil((i * slots) / masters), Math.ceil(((i + 1) * slots) / masters) - 1]
    await client.cluster('ADDSLOTSRANGE', from, to)
  }
  for (const { port, busPort } of nodes.slice(1))
    await first.client.cluster('MEET', '127.0.0.1', port, busPort)
  await until(async () => (await Promise.all(nodes.map(knownNodes))).every((count) => count === nodes.length))
  const ids = await Promise.all(nodes.slice(0, masters).map(({ client }) => client.cluster('MYID')))
  for (const [i, { client }] of nodes.slice(masters).entries()) {
    await client.cluster('REPLICATE', String(ids[i % masters]))
  }
  await until(async () => {
    const states = await Promise.all(nodes.map(({ client }) => client.cluster('INFO')))
    const lists = await Promise.all(nodes.map(({ client }) => client.cluster('SLOTS')))
    return (
      states.every((state) => String(state).includes('cluster_state:ok')) &&
      // All tell of all masters and replicas.
      lists.every((list) => list.length === masters && list.every((range) => range.length === 3 + replicas))
    )
  })
}

async function knownNodes({ client }: ClusterServer): Promise<number> {
  const lines = String(await client.cluster('NODES'))
  return lines.split('\n').filter((line) => / connected/.test(line) && !/handshake/.test(line)).length
}

async function currentMasters(nodes: readonly ClusterServer[]) {
  const [teller] = nodes.filter((node) => node.isAlive())
  const list = await teller?.client.cluster('SLOTS')
  return nodes.flatMap((node) => {
    const ranges = (list ?? []).flatMap((range): [number, number][] => {
      const [from, to, [, port]] = range as unknown as [number, number, [string, number]]
      return port === node.port ? [[from, to]] : []
    })
    return ranges.length > 0 && node.isAlive() ? [{ node, ranges }] : []
  })
}

async function until(condition: () => Promise<boolean>) {
  const deadlineMs = Date.now() + 30_000
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error('The cluster did not come together')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
