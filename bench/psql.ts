// psql as a peer: commands one after the other, the first that fails ends it, and what they print is thrown away.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { programPath } from '../test/servers/programs.ts'

export function psqlOf(url: string) {
  return async (...commands: string[]): Promise<void> => {
    await promisify(execFile)('sh', [
      '-c',
      'psql=$1; url=$2; shift 2; exec "$psql" "$url" --quiet --set=ON_ERROR_STOP=1 "$@" >/dev/null',
      'sh',
      programPath('psql'),
      url,
      ...commands.map((command) => `--command=${command}`),
    ])
  }
}
