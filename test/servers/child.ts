// A server as a child process: started until it says that it is ready, killed, paused, and never outliving the tests.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export interface ChildOptions {
  /** What the server prints, on either stream, once it takes connections. */
  ready: RegExp
  env?: Record<string, string>
  /** Another account to run under, for a server that refuses to be root. */
  account?: string | null
  startTimeoutMs?: number
}

export interface Child {
  pid: number
  output(): string
  /** Ends the server and resolves when it is gone; also one that is paused or gone already. */
  end(signal?: NodeJS.Signals): Promise<void>
  /** The server keeps its connections and answers nothing (SIGSTOP) until `resume`. */
  pause(): void
  resume(): void
}

export async function startChild(
  program: string,
  args: readonly string[],
  { ready, env = {}, account = null, startTimeoutMs = 30_000 }: ChildOptions,
): Promise<Child> {
  const [command, commandArgs] = dyingWithParent(program, args, account)
  const child = spawn(command, commandArgs, {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const collect = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-100_000)
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  // Where the system cannot tie a child to its parent, at least an orderly end of the tests takes it along.
  const killNow = () => child.kill('SIGKILL')
  process.once('exit', killNow)
  const exited = once(child, 'exit').then(
    () => void process.off('exit', killNow),
    () => void process.off('exit', killNow),
  )

  const end = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (!hasEnded(child)) {
      child.kill(signal)
      child.kill('SIGCONT')
    }
    await exited
  }
  try {
    await isReady(child, ready, () => output, startTimeoutMs)
  } catch (error) {
    await end('SIGKILL')
    throw new Error(`${program} did not start: ${String(error)}\n${output}`)
  }
  return {
    pid: child.pid ?? 0,
    output: () => output,
    end,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
  }
}

/** A new empty folder for a server's files; `remove` also takes what another account wrote there. */
export async function createFolder(name: string) {
  const path = await mkdtemp(join(tmpdir(), `gateway-${name}-`))
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('No port was given')
  return address.port
}

/** Runs a program to its end; its failure shows what it printed. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: { env?: Record<string, string>; account?: string | null; cwd?: string } = {},
): Promise<string> {
  const [command, commandArgs] = underAccount(program, args, options.account ?? null)
  const { stdout } = await promisify(execFile)(command, commandArgs, {
    env: { PATH: process.env.PATH ?? '', ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    maxBuffer: 64 * 1024 * 1024,
  })
  return stdout
}

type Command = readonly [string, readonly string[]]

const setpriv = '/usr/bin/setpriv'

/** Linux kills the server as soon as this process is gone, however it went. */
function dyingWithParent(program: string, args: readonly string[], account: string | null): Command {
  if (!existsSync(setpriv)) return underAccount(program, args, account)
  const change = account === null ? [] : [`--reuid=${account}`, `--regid=${account}`, '--init-groups']
  return [setpriv, [...change, '--pdeathsig=KILL', '--', program, ...args]]
}

function underAccount(program: string, args: readonly string[], account: string | null): Command {
  return account === null ? [program, args] : ['/usr/sbin/runuser', ['-u', account, '--', program, ...args]]
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined
}

async function isReady(child: ChildProcess, ready: RegExp, output: () => string, timeoutMs: number) {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const look = () => {
    if (ready.test(output())) resolve()
  }
  const fail = (error: Error) => reject(error)
  const onExit = (code: number | null) => reject(new Error(`it ended with ${code}`))
  const timer = setTimeout(() => reject(new Error(`it was not ready after ${timeoutMs} ms`)), timeoutMs)
  child.stdout?.on('data', look)
  child.stderr?.on('data', look)
  child.on('error', fail).on('exit', onExit)
  try {
    await promise
  } finally {
    clearTimeout(timer)
    child.stdout?.off('data', look)
    child.stderr?.off('data', look)
    child.off('exit', onExit)
  }
}
