// What an examination finds: how a part is, and where it is not as it should be, how to mend it.

export type RemarkLevel = 'OK' | 'WARN' | 'FAIL'

export interface Remark {
  level: RemarkLevel
  text: string
  /** What to do about it; of everything that is not OK. */
  mend?: string
}

export const ok = (text: string): Remark => ({ level: 'OK', text })
export const warn = (text: string, mend: string): Remark => ({ level: 'WARN', text, mend })
export const fail = (text: string, mend: string): Remark => ({ level: 'FAIL', text, mend })

/** A server whose clock is this far from ours says so. */
const mostSkewMs = 2_000

/** `askedMs` and `answeredMs` enclose the moment at which the server read its clock. */
export function remarkOnClock(serverMs: number, askedMs: number, answeredMs: number): Remark {
  const skewMs = Math.round(serverMs < askedMs ? askedMs - serverMs : Math.max(0, serverMs - answeredMs))
  if (skewMs <= mostSkewMs) return ok(`its clock agrees with this machine's (within ${mostSkewMs / 1000} s)`)
  return warn(
    `its clock is ${(skewMs / 1000).toFixed(1)} s from this machine's: ages of rows and times to live are off by as much`,
    'let both keep time by NTP',
  )
}
