// GraphQL Code Generator's settings: from the committed schema.graphql to types for every document of this folder, and
// from what a gateway has of views and services, kept in features.graphql, to those of the documents in typed/.

import type { CodegenConfig } from '@graphql-codegen/cli'

const common = {
  documentMode: 'string',
  enumsAsTypes: true,
  useTypeImports: true,
  strictScalars: true,
}

const typedSchema = ['schema.graphql', 'examples/client/typed/features.graphql']

const config: CodegenConfig = {
  schema: 'schema.graphql',
  generates: {
    'examples/client/generated/': {
      documents: ['examples/client/*.ts', '!examples/client/codegen.ts'],
      preset: 'client',
      // A manifest beside the types: what TRUSTED_DOCUMENTS_FILE names.
      presetConfig: { fragmentMasking: false, persistedDocuments: { hashAlgorithm: 'sha256' } },
      config: {
        ...common,
        scalars: {
          DateTime: 'string',
          BigInt: 'number | string',
          JSON: { input: 'unknown', output: 'Record<string, unknown>[]' },
        },
      },
    },
    'examples/client/generated/typed/': {
      schema: typedSchema,
      documents: ['examples/client/typed/by-codegen.ts'],
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        ...common,
        scalars: {
          DateTime: 'string',
          BigInt: 'number | string',
          Decimal: 'number | string',
          Date: 'string',
          Timestamp: 'string',
          Bytes: 'string',
          JSON: 'unknown',
        },
      },
    },
    'examples/client/generated/introspection.ts': {
      schema: typedSchema,
      plugins: ['./examples/client/typed/tada-plugin.ts'],
    },
  },
  importExtension: '.ts',
}

export default config
