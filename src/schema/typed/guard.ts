// Whoever asks for features is judged here, as Pothos judges at its own fields.

import type { GraphQLResolveInfo } from 'graphql'
import { assertScope } from '../authorization.ts'
import type { Context } from '../context.ts'
import { assertAffordable } from '../operation-cost.ts'

export function guard(context: Context, info: GraphQLResolveInfo): void {
  assertScope(context.identity, info, 'realtime')
  assertAffordable(context, info)
}
