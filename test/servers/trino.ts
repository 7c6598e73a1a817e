// A real Trino on a free port: coordinator and worker in one, with memory, tpch and PostgreSQL as its catalogs.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Trino } from 'trino-client'
import { createFolder, freePort, startChild } from './child.ts'
import { ensureJava, ensureTrino } from './trino-files.ts'

export type TrinoServer = Awaited<ReturnType<typeof startTrino>>

/** Each of `catalogs` is a memory of its own, which takes tables and views; `tpch` has data of any size, `sliced` the same in so many parts that progress shows. `databases`: catalogs over databases of PostgreSQL, by their URLs. */
export async function startTrino(
  catalogs: readonly string[],
  databases: Readonly<Record<string, string>> = {},
) {
  const [program, java] = await Promise.all([ensureTrino(), ensureJava()])
  const folder = await createFolder('trino')
  const port = await freePort()
  const catalogFolder = join(folder.path, 'catalog')
  await mkdir(catalogFolder)
  const memory = 'connector.name=memory\nmemory.max-data-per-node=256MB\n'
  for (const name of catalogs) await writeFile(join(catalogFolder, `${name}.properties`), memory)
  await writeFile(join(catalogFolder, 'tpch.properties'), 'connector.name=tpch\n')
  for (const [name, url] of Object.entries(databases)) {
    const { host, pathname, username } = new URL(url)
    const lines = ['connector.name=postgresql', `connection-url=jdbc:postgresql://${host}${pathname}`]
    const user = [`connection-user=${username}`, 'connection-password=none']
    await writeFile(join(catalogFolder, `${name}.properties`), [...lines, ...user].join('\n'))
  }
  const sliced = 'connector.name=tpch\ntpch.splits-per-node=64\n'
  await writeFile(join(catalogFolder, 'sliced.properties'), sliced)
  const config = join(folder.path, 'config.properties')
  await writeFile(
    config,
    [
      'coordinator=true',
      'node-scheduler.include-coordinator=true',
      `http-server.http.port=${port}`,
      'http-server.process-forwarded=true',
      `discovery.uri=http://127.0.0.1:${port}`,
      'query.max-memory-per-node=300MB',
      'memory.heap-headroom-per-node=200MB',
      'query.max-history=50',
      'query.min-expire-age=10s',
      // Small tests need no more, and fewer splits are done sooner.
      'task.concurrency=2',
      // As many as may run at once in the tests: else each waits a second for those that compute.
      'task.max-worker-threads=24',
    ].join('\n'),
  )
  const settings = {
    config,
    'node.environment': 'test',
    'node.id': 'test',
    'node.data-dir': join(folder.path, 'data'),
    'node.internal-address': '127.0.0.1',
    'node.bind-ip': '127.0.0.1',
    'catalog.config-dir': catalogFolder,
    'plugin.dir': join(program, 'plugin'),
    'jdk.attach.allowAttachSelf': 'true',
  }
  const args = [
    '-Xmx1G',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '--enable-native-access=ALL-UNNAMED',
    '--sun-misc-unsafe-memory-access=allow',
    ...Object.entries(settings).map(([name, value]) => `-D${name}=${value}`),
    '-cp',
    join(program, 'lib', '*'),
    'io.trino.server.TrinoServer',
  ]
  const server = await startChild(java, args, {
    ready: /SERVER STARTED/,
    startTimeoutMs: 240_000,
  }).catch(async (error: unknown) => {
    await folder.remove()
    throw error
  })
  await untilNodes(port)
  return {
    port,
    url: (catalog: string) => `trino://test@127.0.0.1:${port}/${catalog}`,
    pause: () => server.pause(),
    resume: () => server.resume(),
    async stop() {
      await server.end('SIGKILL')
      await folder.remove()
    },
  }
}

/** For a moment after its start the coordinator knows of no worker, itself included. */
async function untilNodes(port: number): Promise<void> {
  const trino = Trino.create({
    server: `http://127.0.0.1:${port}`,
    extraHeaders: { 'X-Trino-User': 'test' },
  })
  for (const givenUpMs = performance.now() + 60_000; performance.now() < givenUpMs; ) {
    for await (const { data } of await trino.query('SELECT count(*) FROM tpch.tiny.nation'))
      if (data?.length === 1) return
  }
  throw new Error('Trino has no node that runs a query')
}
