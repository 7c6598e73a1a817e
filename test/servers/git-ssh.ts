// A real sshd on a free port, with its own host key and one key that may log in as the present user.

import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { freePort, runProgram, startChild } from './child.ts'
import { programPath } from './programs.ts'

/** `command` is the GIT_SSH_COMMAND that knows the host and holds the key. */
export async function serveGitSsh(folder: string) {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const hostKey = join(folder, 'host_key')
  const userKey = join(folder, 'user_key')
  for (const path of [hostKey, userKey]) {
    await runProgram(programPath('ssh-keygen'), ['-q', '-t', 'ed25519', '-N', '', '-f', path])
  }
  const port = await freePort()
  const knownHosts = join(folder, 'known_hosts')
  const authorizedKeys = join(folder, 'authorized_keys')
  await copyFile(`${userKey}.pub`, authorizedKeys)
  await writeFile(knownHosts, `[127.0.0.1]:${port} ${await readFile(`${hostKey}.pub`, 'utf8')}`)
  // sshd as root insists on this folder, which only the system's own service makes.
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 })

  const config = join(folder, 'sshd_config')
  await writeFile(
    config,
    `Port ${port}
ListenAddress 127.0.0.1
HostKey ${hostKey}
AuthorizedKeysFile ${authorizedKeys}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
`,
  )
  const server = await startChild(programPath('sshd'), ['-D', '-e', '-f', config], {
    ready: /Server listening on/,
  })
  const options = [
    '-F none',
    `-i ${userKey}`,
    '-o IdentitiesOnly=yes',
    `-o UserKnownHostsFile=${knownHosts}`,
    '-o StrictHostKeyChecking=yes',
  ]
  return {
    url: `ssh://${userInfo().username}@127.0.0.1:${port}`,
    command: [programPath('ssh'), ...options].join(' '),
    stop: () => server.end('SIGTERM'),
  }
}
