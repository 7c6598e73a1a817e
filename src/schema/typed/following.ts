// Subscriptions to entries of the typed schema, until what they follow is gone or is another.

import type { Realtime } from '../../realtime/service.ts'
import { createVectorUpdates } from '../../realtime/vectors/updates.ts'
import type { Vectors } from '../../realtime/vectors/vectors.ts'
import { callerOf } from '../authorization.ts'
import type { SchemaHolder } from '../held.ts'
import type { TypedEntry, TypedService } from './entries.ts'
import { untilGone } from './field-gone.ts'
import { guard } from './guard.ts'
import type { FollowService } from './service-types.ts'
import { targetOfEntry } from './typed-lookups.ts'
import type { Follow } from './view-types.ts'

export interface Following {
  follow: Follow
  followService: FollowService
}

export function createFollowing(
  { realtime, vectors }: { realtime: Pick<Realtime, 'updates'>; vectors: Pick<Vectors, 'get'> },
  holder: Pick<SchemaHolder, 'onSwap'>,
): Following {
  const vectorUpdates = createVectorUpdates({ realtime, vectors })

  function whileThere<T>(
    source: AsyncIterable<T>,
    { name, shape }: TypedEntry | TypedService,
  ): AsyncIterable<T> {
    return untilGone(source, name, (onGone) =>
      holder.onSwap(({ typed, services }) => {
        if ((typed.get(name) ?? services.get(name))?.shape !== shape) onGone()
      }),
    )
  }

  return {
    follow(entry, key, context, info) {
      guard(context, info)
      return whileThere(realtime.updates(targetOfEntry(entry), key, callerOf(context.identity)), entry)
    },
    followService(entry, entity, context, info) {
      guard(context, info)
      const { service } = entry
      return whileThere(vectorUpdates({ service, entity }, callerOf(context.identity)), entry)
    },
  }
}
