// How much of what tests generate is tried: all of it in the gate (THOROUGH=true), a part where somebody waits.

export const isThorough = process.env.THOROUGH === 'true'

/** So many of what is generated. */
export function tries(counts: { all: number; part: number }): number {
  return isThorough ? counts.all : counts.part
}
