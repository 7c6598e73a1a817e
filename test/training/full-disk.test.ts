// What becomes of a dataset when its file cannot be written to the end.

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { createDataFolder } from '../data-folder.ts'

test('A dataset that the disk cannot hold fails clearly, leaves no file, and the next one is made', async () => {
  const folder = await createDataFolder('training')
  try {
    const program = fileURLToPath(new URL('./full-disk.process.ts', import.meta.url))
    const limited = `trap '' XFSZ; ulimit -f 65536; exec "$0" "$@"`
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      limited,
      process.execPath,
      program,
      folder.path,
    ])
    const { large, files, small } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
    expect(large).toMatchObject({ code: 'TOO_LARGE', message: expect.stringMatching(/disk .* is full/) })
    expect(files).toEqual([])
    expect(small).toEqual({ status: 'SUCCEEDED' })
  } finally {
    await folder.remove()
  }
}, 180_000)
