// What an examination finds: how a part is, and where it is not as it should be, how to mend it.

export type NoticeLevel = 'OK' | 'WARN' | 'FAIL'

export interface Notice {
  level: NoticeLevel
  text: string
  /** What to do about it; of everything that is not OK. */
  mend?: string
}

export const ok = (text: string): Notice => ({ level: 'OK', text })
export const warn = (text: string, mend: string): Notice => ({ level: 'WARN', text, mend })
export const fail = (text: string, mend: string): Notice => ({ level: 'FAIL', text, mend })

/** A server whose clock is this far from ours says so. */
const maxSkewMs = 2_000

/** `askedMs` and `answeredMs` enclose the moment at which the server read its clock. */
export function checkClock(serverMs: number, askedMs: number, answeredMs: number): Notice {
  const skewMs = Math.round(serverMs < askedMs ? askedMs - serverMs : Math.max(0, serverMs - answeredMs))
  if (skewMs <= maxSkewMs) return ok(`its clock agrees with this machine's (within ${maxSkewMs / 1000} s)`)
  return warn(
    `its clock is ${(skewMs / 1000).toFixed(1)} s from this machine's: ages of rows and times to live are off by as much`,
    'let both keep time by NTP',
  )
}
