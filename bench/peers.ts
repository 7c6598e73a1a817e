// The servers that the benchmark compares with, each in a process of its own.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { startChild } from '../test/servers/child.ts'

const folder = join(import.meta.dirname, 'peers')

export const peerNames = {
  bare: 'bare node:http + ioredis',
  mercurius: 'Mercurius + JIT',
  apollo: 'Apollo Server',
  yoga: 'Yoga as it comes',
} as const

type PeerName = keyof typeof peerNames

export function assertPeersInstalled() {
  if (existsSync(join(folder, 'node_modules'))) return
  throw new Error('The peers are not installed: run `npm ci --prefix bench/peers` first')
}

export async function startPeers(names: readonly PeerName[], redisUrl: string) {
  const children = await Promise.all(
    names.map(async (name) => {
      const ready = /Listening: (\S+)/
      const args = [join(folder, 'server.js'), name]
      const child = await startChild(process.execPath, args, { ready, env: { REDIS_URL: redisUrl } })
      return { name, child, url: ready.exec(child.output())?.[1] ?? '' }
    }),
  )
  return {
    urls: Object.fromEntries(children.map(({ name, url }) => [name, url])) as Record<PeerName, string>,
    stop: () => Promise.all(children.map(({ child }) => child.end())),
  }
}
