// A real git repository made from given files, served by path, by smart HTTP (git http-backend) and by a real sshd.

import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createFolder, runProgram } from './child.ts'
import { serveGitHttp } from './git-http.ts'
import { serveGitSsh } from './git-ssh.ts'
import { programPath } from './programs.ts'

/** Text by path inside the repository; null removes the file. */
export type Files = Record<string, string | null>

export type GitServer = Awaited<ReturnType<typeof startGit>>

const identity = {
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Test',
  GIT_AUTHOR_EMAIL: 'test@example.org',
  GIT_COMMITTER_NAME: 'Test',
  GIT_COMMITTER_EMAIL: 'test@example.org',
}

/**
 * The repository `features.git` with one commit of `files` on branch `main`. All three URLs name it:
 * `git::<url>//path/in/repo?ref=main` is an ETL's path. Over ssh git needs `env` (GIT_SSH_COMMAND).
 */
export async function startGit(files: Files) {
  const folder = await createFolder('git')
  const work = join(folder.path, 'work')
  const root = join(folder.path, 'served')
  const bare = join(root, 'features.git')

  const git = async (cwd: string, ...args: string[]) =>
    (await runProgram(programPath('git'), args, { env: identity, cwd })).trim()

  async function commit(changes: Files, message = 'Change features') {
    for (const [path, text] of Object.entries(changes)) {
      const target = join(work, path)
      await mkdir(dirname(target), { recursive: true })
      if (text === null) await rm(target)
      else await writeFile(target, text)
    }
    await git(work, 'add', '--all')
    await git(work, 'commit', '--quiet', '--allow-empty', '-m', message)
    await git(work, 'push', '--quiet', '--force', 'origin', 'HEAD')
    return git(work, 'rev-parse', 'HEAD')
  }

  await mkdir(work, { recursive: true })
  await git(folder.path, 'init', '--quiet', '--bare', '--initial-branch=main', bare)
  // As GitHub does: a commit may be fetched by its hash, and fetches may leave out files.
  await git(bare, 'config', 'uploadpack.allowAnySHA1InWant', 'true')
  await git(bare, 'config', 'uploadpack.allowFilter', 'true')
  await git(work, 'init', '--quiet', '--initial-branch=main')
  await git(work, 'remote', 'add', 'origin', bare)
  const firstCommit = await commit(files, 'Add features')
  const http = await serveGitHttp(root)
  const ssh = await serveGitSsh(join(folder.path, 'ssh'))

  return {
    /** The served (bare) repository's folder, and the folder that holds it. */
    path: bare,
    root,
    firstCommit,
    url: `${http.url}/features.git`,
    httpUrl: `${http.url}/features.git`,
    httpHost: new URL(http.url).host,
    fileUrl: `file://${bare}`,
    sshUrl: `${ssh.url}${bare}`,
    sshHost: new URL(ssh.url).host,
    /** What a `git` that comes over ssh needs in its environment. */
    env: { GIT_SSH_COMMAND: ssh.command },
    sshCommand: ssh.command,
    /** `POST /features.git/git-upload-pack` and the like, in the order in which they came over HTTP. */
    httpRequests: http.requests,
    /** Commits on the branch checked out, pushes, and resolves to the commit's hash. */
    commit,
    async tag(name: string) {
      await git(work, 'tag', '--force', name)
      await git(work, 'push', '--quiet', '--force', 'origin', `refs/tags/${name}`)
    },
    /** Checks the branch out, made from the present commit if it is new; later commits go there. */
    async branch(name: string) {
      await git(work, 'checkout', '--quiet', '-B', name)
      await git(work, 'push', '--quiet', '--force', 'origin', name)
    },
    async stop() {
      await Promise.all([http.stop(), ssh.stop()])
      await folder.remove()
    },
  }
}
