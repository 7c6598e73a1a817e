// The git repository that the demo's ETL lives in, made once and kept beside the demo's data.

import { execFile } from 'node:child_process'
import { copyFile, mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const example = join(import.meta.dirname, '..', 'etl', 'quote-features.ts')

/** Resolves to the repository's folder and the path under which the gateway loads the ETL from it. */
export async function createDemoRepository(path: string): Promise<{ folder: string; etlPath: string }> {
  const folder = resolve(path)
  const git = (...args: string[]) =>
    run('git', ['-c', 'user.name=Demo', '-c', 'user.email=demo@example.com', ...args], { cwd: folder })
  await mkdir(join(folder, 'etl'), { recursive: true })
  await git('init', '--quiet', '--initial-branch=main')
  await copyFile(example, join(folder, 'etl', 'quote-features.ts'))
  await git('add', '--all')
  const { stdout: changed } = await git('status', '--porcelain')
  if (changed !== '') await git('commit', '--quiet', '--message', 'Add the quote features')
  return { folder, etlPath: `git::file://${folder}//etl/quote-features.ts?ref=main` }
}
