// A backup's table of contents: what lies in its folder, byte for byte. It is written last, so a backup that has one is whole.

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { z } from 'zod'
import { createLimiter } from '../../concurrency/limiter.ts'

const name = 'backup.json'

const manifest = z.object({
  format: z.literal(1),
  madeAt: z.iso.datetime(),
  files: z.array(z.object({ path: z.string(), bytes: z.number(), sha256: z.string() })),
})

export type Manifest = z.infer<typeof manifest>

/** Lists all files of the folder, and has both them and the list on the disk when it resolves. */
export async function writeManifest(folder: string, madeAt: Date): Promise<Manifest> {
  const files = await eachOf(await filesOf(folder), async (path) => {
    await sync(join(folder, path))
    return { path, ...(await measure(join(folder, path))) }
  })
  const written: Manifest = { format: 1, madeAt: madeAt.toISOString(), files }
  const file = await open(join(folder, name), 'wx')
  await file.writeFile(`${JSON.stringify(written, null, 1)}\n`)
  await file.sync()
  await file.close()
  await sync(folder)
  return written
}

/** Throws a sentence that says what is wrong with a folder that is no whole backup. */
export async function verifyBackup(folder: string): Promise<Manifest> {
  const text = await readFile(join(folder, name), 'utf8').catch((cause: unknown) => {
    throw new Error(`${folder} is no backup, or one that was cut short: it has no ${name}`, { cause })
  })
  const read = manifest.safeParse(parse(text))
  if (!read.success) throw new Error(`${join(folder, name)} is not what a backup of this version writes`)
  await eachOf(read.data.files, async ({ path, bytes, sha256 }) => {
    const found = await measure(join(folder, path)).catch(() => null)
    if (found === null) throw new Error(`The backup ${folder} lacks the file ${path}`)
    if (found.bytes !== bytes || found.sha256 !== sha256)
      throw new Error(`The file ${path} of the backup ${folder} is not as it was written`)
  })
  return read.data
}

/** A catalog is a thousand small files: a disk writes several in the time of one. */
async function eachOf<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>) {
  const limiter = createLimiter(16)
  return Promise.all(items.map((item) => limiter.run(undefined, () => work(item))))
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

async function measure(path: string) {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return { bytes: (await stat(path)).size, sha256: hash.digest('hex') }
}

/** Relative to the folder, in order. */
async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort()
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r')
  await file.sync()
  await file.close()
}
