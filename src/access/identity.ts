// Who is calling, and what they may do; until it expires or is revoked.

import type { Scope } from './scopes.ts'

/** Timers count no further. */
const longestTimerMs = 2 ** 31 - 1

export type End = 'EXPIRED' | 'REVOKED'

export interface Identity {
  /** What rate limits count by: no other identity has it. Null for everyone together. */
  readonly caller: string | null
  /** What people know it by: a token's subject, a key's name. */
  readonly name: string
  readonly scopes: readonly Scope[]
  /** Infinity for one that does not expire. */
  readonly expiresAtMs: number
  grants(scope: Scope): boolean
  /** Null while it is good. */
  endAt(nowMs: number): End | null
  /** Calls back once, when it ends, unless the returned function was called before. */
  onEnd(listener: (end: End) => void): () => void
  /** When a request last came by it. */
  lastUsedMs: number
}

export interface IdentityOptions {
  caller: string | null
  name: string
  scopes: readonly Scope[]
  expiresAtMs: number
}

/** `revoke` ends it before its time. */
export function createIdentity(options: IdentityOptions): { identity: Identity; revoke(): void } {
  const { scopes, expiresAtMs } = options
  const granted = new Set<Scope>(scopes)
  const isAdmin = granted.has('admin')
  const listeners = new Set<(end: End) => void>()
  let isRevoked = false

  const identity: Identity = {
    ...options,
    lastUsedMs: 0,
    grants: (scope) => isAdmin || granted.has(scope),
    endAt: (nowMs) => (isRevoked ? 'REVOKED' : nowMs >= expiresAtMs ? 'EXPIRED' : null),
    onEnd(listener) {
      let timer: NodeJS.Timeout | undefined
      function stop() {
        listeners.delete(end)
        clearTimeout(timer)
      }
      function end(how: End) {
        stop()
        listener(how)
      }
      function wait() {
        const leftMs = expiresAtMs - Date.now()
        if (leftMs === Number.POSITIVE_INFINITY) return
        timer = setTimeout(
          () => (Date.now() >= expiresAtMs ? end('EXPIRED') : wait()),
          Math.min(Math.max(leftMs, 0), longestTimerMs),
        ).unref()
      }
      listeners.add(end)
      if (isRevoked) queueMicrotask(() => listeners.has(end) && end('REVOKED'))
      else wait()
      return stop
    },
  }

  return {
    identity,
    revoke() {
      isRevoked = true
      for (const end of [...listeners]) end('REVOKED')
    },
  }
}

/** Where nobody is asked who they are. */
export const everyone = createIdentity({
  caller: null,
  name: 'everyone',
  scopes: ['admin'],
  expiresAtMs: Number.POSITIVE_INFINITY,
}).identity
