// One run of git: no configuration but ours, no prompt, no helper, no protocol but the one asked for, and an end.

import { spawn } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import { devNull } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withoutFiles } from '../../processes/inherited-files.ts'
import type { GitAddress, Unavailable } from './address.ts'

/** What git said, without credentials and without paths of this machine. */
export class GitError extends Error {
  readonly why: Unavailable
  constructor(message: string, why: Unavailable = 'UNREADABLE') {
    super(message)
    this.why = why
  }
}

export interface GitProcessOptions {
  folder: string
  remote: string
  /** The address that the host's name stands for; null leaves that to git. */
  reach: string | null
  address: GitAddress
  signal: AbortSignal
  sshCommand: string | undefined
  sizeLimitBytes: number
}

/** `outside` runs without the temporary repository. */
export type RunGit = (args: readonly string[], options?: { outside?: boolean }) => Promise<Buffer>

const outputLimit = 16_000_000
const watchMs = 250

/** A folder's very store sends, not one beside it; what it lacks it does not fetch from wherever its own settings say. */
const sentByStore: [string, string][] = [
  ['remote.origin.uploadpack', 'GIT_NO_LAZY_FETCH=1 git-upload-pack --strict'],
]

/** The remote's URL goes by the environment: it is in no file, and in no list of processes. */
function environmentOf({
  folder,
  remote,
  reach,
  address,
  sshCommand,
}: GitProcessOptions): Record<string, string> {
  const settings: [string, string][] = [
    ['remote.origin.url', remote],
    ...(address.transport === 'file' ? sentByStore : []),
    ['credential.helper', ''],
    ['core.askPass', ''],
    ['core.hooksPath', devNull],
    ['core.fsmonitor', 'false'],
    ['protocol.allow', 'never'],
    [`protocol.${address.transport}.allow`, 'always'],
    ['protocol.version', '2'],
    ['http.followRedirects', 'false'],
    ['http.lowSpeedLimit', '100'],
    ['http.lowSpeedTime', '15'],
    ['gc.auto', '0'],
    ['maintenance.auto', 'false'],
    ['transfer.fsckObjects', 'false'],
    ['submodule.recurse', 'false'],
    // Of a larger object nothing is held in memory: none is an ETL.
    ['core.bigFileThreshold', '4m'],
    ...(reach === null ? [] : reachByHttp(address, reach)),
  ]
  const configured = settings.flatMap(([name, value], i) => [
    [`GIT_CONFIG_KEY_${i}`, name],
    [`GIT_CONFIG_VALUE_${i}`, value],
  ])
  const agent = process.env.SSH_AUTH_SOCK
  return {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: folder,
    // The folder may lie within somebody's work tree, whose settings are not ours.
    GIT_CEILING_DIRECTORIES: dirname(folder),
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_SYSTEM: devNull,
    GIT_CONFIG_GLOBAL: join(folder, 'config'),
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(configured),
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: 'false',
    SSH_ASKPASS: 'false',
    GIT_PROTOCOL_FROM_USER: '0',
    GIT_SSH_COMMAND: `${sshCommand ?? process.env.GIT_SSH_COMMAND ?? 'ssh -o BatchMode=yes -o ConnectTimeout=15'}${reach === null ? '' : reachBySsh(address, reach)}`,
    GIT_SSH_VARIANT: 'ssh',
    ...(agent === undefined ? {} : { SSH_AUTH_SOCK: agent }),
  }
}

function reachByHttp({ host, transport }: GitAddress, reach: string): [string, string][] {
  const port = host?.port ?? (transport === 'http' ? '80' : '443')
  return [['http.curloptResolve', `${host?.name}:${port}:${reach.includes(':') ? `[${reach}]` : reach}`]]
}

/** The host is still known by its own name. */
function reachBySsh({ host }: GitAddress, reach: string): string {
  return ` -o HostName=${reach} -o HostKeyAlias=${host?.name}`
}

async function sizeOf(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true }).catch(() => [])
  const sizes = await Promise.all(
    files.map((file) =>
      stat(join(folder, file)).then(
        (stats) => stats.size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** Git's last words; its many lines are one. */
function wordsOf(stderr: string, { folder, remote, address }: GitProcessOptions): string {
  let text = stderr
  for (const secret of address.secrets) text = text.replaceAll(secret, '***')
  if (address.transport === 'file' && remote !== '')
    text = text.replaceAll(fileURLToPath(remote), 'the repository')
  text = text.replaceAll(folder, '').replace(/:\/\/[^/\s'"]*@/g, '://')
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('hint:') && !line.startsWith('warning:'))
  return lines.slice(-4).join(' ').slice(0, 500)
}

const translations: readonly (readonly [RegExp, string, Unavailable])[] = [
  [
    /could not read Username|Authentication failed|terminal prompts disabled|Permission denied|HTTP 40[13]|error: 40[13]/i,
    'the repository wants to know who asks, or does not exist',
    'FORBIDDEN',
  ],
  [
    /Host key verification failed/i,
    "the host's key is not known to ssh on the gateway's machine (known_hosts)",
    'UNREADABLE',
  ],
  [/Could not resolve host/i, 'the host cannot be found', 'UNREADABLE'],
  [
    /Repository not found|does not appear to be a git repository|not found|does not exist|not a git repository/i,
    'there is no such repository',
    'MISSING',
  ],
]

function explain(words: string): GitError {
  const [, translation = 'git failed', why] = translations.find(([pattern]) => pattern.test(words)) ?? []
  return new GitError(`${translation}${words === '' ? '' : ` (git said: ${words})`}`, why)
}

export function createGitProcess(options: GitProcessOptions): RunGit {
  const env = environmentOf(options)
  const repository = join(options.folder, 'repository.git')

  return async (args, { outside = false } = {}) => {
    options.signal.throwIfAborted()
    const git = withoutFiles(['ignore', 'pipe', 'pipe'], (stdio) =>
      spawn('git', outside ? [...args] : ['--git-dir', repository, ...args], {
        cwd: options.folder,
        env,
        stdio,
        // A group of its own, so that what git has started (ssh, its http helper) ends with it.
        detached: true,
      }),
    )
    let reason: GitError | null = null
    const end = (why: string) => {
      reason ??= new GitError(why)
      if (git.pid !== undefined) killGroup(git.pid)
    }
    const onAbort = () => end('it was stopped')
    options.signal.addEventListener('abort', onAbort, { once: true })
    const watch = setInterval(async () => {
      if ((await sizeOf(repository)) > options.sizeLimitBytes) {
        end(
          `the repository sends more than ${Math.round(options.sizeLimitBytes / 1_000_000)} MB for this commit; its server does not filter what it sends`,
        )
      }
    }, watchMs)
    try {
      const { code, stdout, stderr } = await finish(git, () => end('git said too much'))
      if (reason !== null) throw reason
      if (code !== 0) throw explain(wordsOf(stderr, options))
      return stdout
    } finally {
      clearInterval(watch)
      options.signal.removeEventListener('abort', onAbort)
    }
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

function finish(
  git: ReturnType<typeof spawn>,
  onTooMuch: () => void,
): Promise<{ code: number | null; stdout: Buffer; stderr: string }> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    let stderr = ''
    git.stdout?.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > outputLimit) onTooMuch()
      else chunks.push(chunk)
    })
    git.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-8000)
    })
    git.once('error', (error) => {
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
      reject(
        new GitError(
          isMissing ? "git is not installed on the gateway's machine" : 'git could not be started',
        ),
      )
    })
    git.once('close', (code) => resolve({ code, stdout: Buffer.concat(chunks), stderr }))
  })
}
