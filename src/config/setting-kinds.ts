// Kinds of settings, as the environment's texts give them.

import { z } from 'zod'

/** An integer setting with its bounds and default. */
export function integer(fallback: number, min: number, max: number) {
  return z.coerce.number().int().min(min).max(max).default(fallback)
}

export function flag(fallback: boolean) {
  return z
    .enum(['true', 'false', '1', '0'])
    .default(fallback ? 'true' : 'false')
    .transform((text) => text === 'true' || text === '1')
}

/** A comma-separated list. */
export const list = z
  .string()
  .default('')
  .transform((text) =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  )
