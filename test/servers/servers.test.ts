// The servers that other tests stand on: each starts, answers, fails on demand, and is gone afterwards.

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { createFolder } from './child.ts'
import { startChromium } from './chromium.ts'
import { startGit } from './git.ts'
import { startPostgres } from './postgres.ts'
import { startRedis } from './redis.ts'

const run = promisify(execFile)

async function refuses(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const refused = await once(socket, 'connect').then(
    () => false,
    () => true,
  )
  socket.destroy()
  return refused
}

test('git serves one repository by path, by HTTP and by ssh, and a commit made later too', async () => {
  const git = await startGit({ 'etl/features.sql': 'SELECT 1' })
  const folder = await createFolder('clones')
  try {
    const clone = async (url: string, name: string) => {
      const target = join(folder.path, name)
      await run('git', ['clone', '--quiet', '--depth=1', url, target], {
        env: { PATH: process.env.PATH ?? '', GIT_CONFIG_GLOBAL: '/dev/null', ...git.env },
      })
      return readFile(join(target, 'etl/features.sql'), 'utf8')
    }
    for (const url of [git.fileUrl, git.httpUrl, git.sshUrl]) {
      expect(await clone(url, `first-${git.sshUrl === url ? 'ssh' : url.slice(0, 4)}`)).toBe('SELECT 1')
    }
    const second = await git.commit({ 'etl/features.sql': 'SELECT 2' })
    expect(second).toMatch(/^[0-9a-f]{40}$/)
    expect(second).not.toBe(git.firstCommit)
    expect(await clone(git.httpUrl, 'second')).toBe('SELECT 2')
    expect(git.httpRequests.length).toBeGreaterThan(0)
  } finally {
    await git.stop()
    await folder.remove()
  }
})

test('PostgreSQL answers, keeps its rows over a restart, and refuses connections once stopped', async () => {
  const postgres = await startPostgres()
  const query = async (sql: string) => {
    const client = new Client({ connectionString: postgres.url })
    await client.connect()
    try {
      return (await client.query(sql)).rows
    } finally {
      await client.end()
    }
  }
  try {
    await query('CREATE TABLE t AS SELECT 42 AS answer')
    await postgres.restart()
    expect(await query('SELECT answer FROM t')).toEqual([{ answer: 42 }])
  } finally {
    await postgres.stop()
  }
  expect(await refuses(postgres.port)).toBe(true)
})

test('Redis refuses connections once killed and takes them again after a restart', async () => {
  const redis = await startRedis()
  try {
    expect(await refuses(redis.port)).toBe(false)
    await redis.kill()
    expect(await refuses(redis.port)).toBe(true)
    await redis.restart()
    expect(await refuses(redis.port)).toBe(false)
  } finally {
    await redis.stop()
  }
})

test('Chromium shows a page', async () => {
  const chromium = await startChromium()
  try {
    const page = await chromium.newPage()
    await page.setContent('<title>Features</title>')
    expect(await page.title()).toBe('Features')
  } finally {
    await chromium.stop()
  }
})

test('servers are gone as soon as the process that started them is killed', async () => {
  const folder = await createFolder('killed')
  await chmod(folder.path, 0o755)
  const code = `
    const { startRedis } = await import('./test/servers/redis.ts')
    const { startPostgres } = await import('./test/servers/postgres.ts')
    const { startGit } = await import('./test/servers/git.ts')
    const [redis, postgres, git] = await Promise.all([startRedis(), startPostgres(), startGit({ a: 'b' })])
    console.log(JSON.stringify([redis.port, postgres.port, Number(new URL(git.sshUrl).port)]))`
  const parent = spawn(process.execPath, ['--input-type=module-typescript', '--eval', code], {
    env: { PATH: process.env.PATH ?? '', TMPDIR: folder.path },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(createInterface(parent.stdout), 'line')
  const ports: number[] = JSON.parse(String(line))
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  for (const port of ports) await expect.poll(() => refuses(port), { timeout: 10_000 }).toBe(true)
  await folder.remove()
})
