// What was made of texts that clients send, kept while they are in use; the least recently used goes first.

export interface TextCacheLimits {
  /** Longer texts are not kept. */
  longest: number
  most: number
  /** Of all texts together. */
  maxCharacters: number
}

export interface TextCache<Value> {
  /** Undefined for a text that is not kept. */
  get(text: string): Value | undefined
  set(text: string, value: Value): void
  has(text: string): boolean
  readonly size: { texts: number; characters: number }
}

export function createTextCache<Value extends object>(limits: TextCacheLimits): TextCache<Value> {
  // A Map gives its keys in the order of their insertion: the first was used longest ago.
  const kept = new Map<string, Value>()
  let characters = 0
  /** Most requests send the text that the one before them sent: it need not be moved, nor its hash be known. */
  let latest: { text: string; value: Value } | null = null

  function forgetOldest() {
    const [oldest] = kept.keys()
    if (oldest === undefined) return
    kept.delete(oldest)
    latest = null
    characters -= oldest.length
  }

  return {
    get(text) {
      if (latest?.text === text) return latest.value
      const value = kept.get(text)
      if (value === undefined) return undefined
      kept.delete(text)
      kept.set(text, value)
      latest = { text, value }
      return value
    },
    set(text, value) {
      latest = null
      if (text.length > limits.longest) return
      if (!kept.delete(text)) characters += text.length
      kept.set(text, value)
      while (kept.size > limits.most || characters > limits.maxCharacters) forgetOldest()
    },
    has: (text) => kept.has(text),
    get size() {
      return { texts: kept.size, characters }
    },
  }
}
