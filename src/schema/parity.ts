// Parity: the proof that a feature view serves what training sees.

import { z } from 'zod'
import { maxSample } from '../realtime/parity/parity.ts'
import type { Builder } from './builder.ts'
import { JsonText } from './json-text.ts'
import type { Services } from './services.ts'

export function addParity(builder: Builder, services: Services) {
  builder.objectType('ParityReport', {
    description:
      'How the rows that training sees compare with those served online, for sampled index values.',
    authScopes: { train: true },
    fields: (t) => ({
      sampled: t.exposeInt('sampled', { description: 'The index values that were compared.' }),
      mismatched: t.exposeInt('mismatched', { description: 'Index values whose rows differ.' }),
      missing: t.exposeInt('missing', { description: 'Rows that training sees and serving does not.' }),
      extra: t.exposeInt('extra', { description: 'Rows that serving gives and training does not see.' }),
      undetermined: t.exposeInt('undetermined', {
        description:
          'Index values that differ only where the statement leaves it open: ties, collecting in no order. No fault.',
      }),
      examples: t.field({
        type: 'JSON',
        resolve: (report) => new JsonText(JSON.stringify(report.examples)),
      }),
    }),
  })

  builder.queryField('parity', (t) =>
    t.field({
      type: 'ParityReport',
      description: 'Compares training and serving for sampled index values. It must find no difference.',
      authScopes: { train: true },
      args: {
        featureViewId: t.arg.id({ required: true }),
        sample: t.arg.int({ defaultValue: 100, validate: z.number().min(1).max(maxSample).nullish() }),
      },
      complexity: { field: 100 },
      resolve: (_root, args) => services.realtime.parity(args.featureViewId, args.sample ?? 100),
    }),
  )
}
