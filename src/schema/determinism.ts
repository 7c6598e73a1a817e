// What a statement promises of itself: the fields of saved queries and feature views that tell it.

import type { Builder } from './builder.ts'

export function addDeterminism(builder: Builder) {
  return builder.enumType('Determinism', {
    description: 'What a statement gives over the same rows, from one run to the next.',
    values: {
      EXACT: { description: 'The very same.' },
      ROUNDING: {
        description: 'The same but for the last digits of floats: sums and their kin, to a relative 1e-12.',
      },
      OPEN: {
        description:
          'It leaves something to the engine: ties, collecting in no order, approximate aggregates, a LIMIT without a full order.',
      },
    } as const,
  })
}

export type Determinism = ReturnType<typeof addDeterminism>

export const noteDescription =
  'Which expression makes it so, and how to make it exact; null where it is exact.'

/** As it is kept, or judged now where nobody has. */
export function promiseOf<T extends { determinism: string | null; determinismNote: string | null }>(
  kept: T,
  judge: () => Promise<{ level: 'EXACT' | 'ROUNDING' | 'OPEN'; note: string | null }>,
) {
  const level = kept.determinism as 'EXACT' | 'ROUNDING' | 'OPEN' | null
  return level === null ? judge() : { level, note: kept.determinismNote }
}
