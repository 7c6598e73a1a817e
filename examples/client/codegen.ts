// GraphQL Code Generator's settings: from the committed schema.graphql to types for every document of this folder.

import type { CodegenConfig } from '@graphql-codegen/cli'

const config: CodegenConfig = {
  schema: 'schema.graphql',
  documents: ['examples/client/*.ts', '!examples/client/codegen.ts'],
  generates: {
    'examples/client/generated/': {
      preset: 'client',
      // A manifest beside the types: what TRUSTED_DOCUMENTS_FILE names.
      presetConfig: { fragmentMasking: false, persistedDocuments: { hashAlgorithm: 'sha256' } },
      config: {
        documentMode: 'string',
        enumsAsTypes: true,
        useTypeImports: true,
        strictScalars: true,
        scalars: {
          DateTime: 'string',
          BigInt: 'number | string',
          JSON: { input: 'unknown', output: 'Record<string, unknown>[]' },
        },
      },
    },
  },
  importExtension: '.ts',
}

export default config
