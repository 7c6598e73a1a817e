// Events on their way to other gateways: gathered by what they are about, and cut into payloads that PostgreSQL takes.

import { isTopic, type Topics } from '../../events.ts'

/** PostgreSQL's limit is 8000 bytes. */
const maxBytes = 7900
/** A change of more index values than go into so many payloads becomes one of any value. */
const maxPayloads = 32

export interface Message {
  topic: keyof Topics
  id: string
  /** For `online`; null where any may have changed. Other topics carry nothing. */
  values: ReadonlySet<string> | null
}

/** Waits to be sent: one message for each topic and id, the oldest first. */
export interface Outbox {
  add(topic: keyof Topics, id: string, values: readonly string[] | null): void
  /** Takes all that waits. */
  take(): readonly Message[]
  isEmpty(): boolean
}

export function createOutbox(): Outbox {
  let waiting = new Map<string, { topic: keyof Topics; id: string; values: Set<string> | null }>()
  return {
    add(topic, id, values) {
      const key = `${topic} ${id}`
      const known = waiting.get(key)
      if (known === undefined) {
        waiting.set(key, { topic, id, values: values === null ? null : new Set(values) })
        return
      }
      if (values === null) known.values = null
      else if (known.values !== null) for (const value of values) known.values.add(value)
    },
    take() {
      const taken = [...waiting.values()]
      waiting = new Map()
      return taken
    },
    isEmpty: () => waiting.size === 0,
  }
}

/** `origin` names the sender. */
export function encodeMessage(origin: string, { topic, id, values }: Message): string[] {
  const head = `${origin} ${topic} ${id} `
  if (values === null) return [head]
  const room = maxBytes - head.length - 2
  const payloads: string[] = []
  let items: string[] = []
  let length = 0
  for (const value of values) {
    const item = toAscii(JSON.stringify(value))
    if (item.length > room) return [head]
    if (length + item.length > room) {
      payloads.push(`${head}[${items.join(',')}]`)
      if (payloads.length >= maxPayloads) return [head]
      items = []
      length = 0
    }
    items.push(item)
    length += item.length + 1
  }
  if (items.length > 0) payloads.push(`${head}[${items.join(',')}]`)
  return payloads
}

export interface Received {
  origin: string
  topic: keyof Topics
  id: string
  /** Reads the index values, which is left to who wants them. */
  values(): readonly string[] | null
}

/** Null for what another version of the gateway may send. */
export function decodeMessage(payload: string): Received | null {
  const [, origin, topic = '', id, rest = ''] = /^(\S+) (\S+) (\S+) (.*)$/s.exec(payload) ?? []
  if (origin === undefined || id === undefined || !isTopic(topic)) return null
  return { origin, topic, id, values: () => (rest === '' ? null : (JSON.parse(rest) as string[])) }
}

/** Every server encoding carries it, each character in one byte. */
function toAscii(json: string): string {
  return json.replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
