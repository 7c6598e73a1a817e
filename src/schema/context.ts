// What every resolver is given for one operation, whatever transport it came by.

import type { Identity } from '../access/identity.ts'
import type { Realtime } from '../realtime/service.ts'
import { type AnswerBudget, createAnswerBudget } from './answer-budget.ts'
import { callerOf } from './authorization.ts'
import type { Services } from './services.ts'

/** What the transport knows of the request. */
export interface RequestFacts {
  /** In the log and in masked errors. */
  requestId: string
  /** How the client reached the gateway: `https://host:port`, without a slash at its end. Downloads' URLs begin with it. */
  origin: string
  /** Who is asking; null for nobody that is known. */
  identity: Identity | null
  /** Is told how many index values the operation looks up, where callers' shares are limited. */
  charge?: ((indexValues: number) => void) | undefined
}

export interface Context extends RequestFacts {
  /** All realtime fields of the operation share it, so that they cost one round trip to the online store. */
  realtimeLoader: ReturnType<Realtime['createLoader']>
  answer: AnswerBudget
}

/** One for each operation: what its loader has read is never shared with another. */
export function createContext(services: Pick<Services, 'realtime'>, facts: RequestFacts): Context {
  return {
    requestId: facts.requestId,
    origin: facts.origin,
    identity: facts.identity,
    charge: facts.charge,
    realtimeLoader: services.realtime.createLoader(callerOf(facts.identity)),
    answer: createAnswerBudget(),
  }
}
