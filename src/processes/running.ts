// A process, or a thread, that runs for the gateway: started, told, heard, and its end noticed.

import { fork } from 'node:child_process'
import type { Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import { sharedCompileCache } from './compile-cache.ts'

export interface Running<Message> {
  /** To one that has ended, nothing is sent: its end tells all who wait. */
  post(message: Message): void
  kill(): void
  /** Whether the gateway's own process stays for its sake; it does at first. */
  hold(isHeld: boolean): void
  exited: Promise<unknown>
}

export interface Hearing<Message> {
  heard(message: Message): void
  /** `how` is for the log. */
  ended(how: Record<string, unknown>): void
}

export interface ProcessOptions {
  /** For the log: `The warehouse's process`. */
  title: string
  /** The module that it runs. */
  entry: URL
  args?: readonly string[]
  execArgv?: readonly string[]
  /** All that it has of an environment: nothing of the gateway's. */
  env: Record<string, string>
  log: Logger
}

export function startProcess<Sent extends object, Heard>(
  { title, entry, args = [], execArgv = [], env, log }: ProcessOptions,
  { heard, ended }: Hearing<Heard>,
): Running<Sent> {
  const child = fork(entry, args, {
    execArgv: ['--disable-warning=ExperimentalWarning', ...execArgv],
    env: { TZ: 'UTC', ...env, ...sharedCompileCache() },
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let complaint = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-4000)
  })
  child.on('message', (message) => heard(message as Heard))
  child.on('error', (error) => log.error({ err: error }, `${title} could not be used`))
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.once('exit', (code, signal) => ended({ code, signal, complaint }))
  return {
    post: (message) => void (child.connected && child.send(message, () => undefined)),
    kill: () => child.kill('SIGKILL'),
    hold(isHeld) {
      const of = isHeld ? 'ref' : 'unref'
      child[of]()
      child.channel?.[of]()
      ;(child.stderr as Socket | null)?.[of]()
    },
    exited,
  }
}

/** Its end with an error is an end like another. */
export function startThread<Sent, Heard>(entry: URL, { heard, ended }: Hearing<Heard>): Running<Sent> {
  const thread = new Worker(entry)
  let error: unknown
  thread.on('message', heard)
  thread.on('error', (thrown) => {
    error = thrown
  })
  const exited = new Promise((resolve) => thread.once('exit', resolve))
  thread.once('exit', (code) => ended({ code, ...(error !== undefined && { err: error }) }))
  return {
    post: (message) => thread.postMessage(message),
    kill: () => void thread.terminate(),
    hold: (isHeld) => thread[isHeld ? 'ref' : 'unref'](),
    exited,
  }
}
