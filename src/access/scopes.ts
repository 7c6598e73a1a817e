// What a caller may do, as its token or key says it. `admin` includes all the others.

export const scopes = [
  'catalog:read',
  'catalog:write',
  'train',
  'realtime',
  'publish',
  'erase',
  'admin',
] as const

export type Scope = (typeof scopes)[number]

export function isScope(text: string): text is Scope {
  return (scopes as readonly string[]).includes(text)
}

/** The scopes of a token's `scope` or `scp` claim: a list, or a text that spaces part. What is no scope of ours is left out. */
export function readScopes(claim: unknown): Scope[] {
  const names = typeof claim === 'string' ? claim.split(/\s+/) : Array.isArray(claim) ? claim : []
  return [...new Set(names.filter((name): name is Scope => typeof name === 'string' && isScope(name)))]
}
