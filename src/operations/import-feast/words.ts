// What people say of a view or a service, where anything is said.

interface Words {
  description: string
  owner: string
  /** By name; here a tag is one text. */
  tags: Readonly<Record<string, string>>
}

export function wordsOf({ description, owner, tags }: Words) {
  const texts = Object.entries(tags).map(([name, value]) => (value === '' ? name : `${name}=${value}`))
  return {
    ...(description !== '' && { description }),
    ...(owner !== '' && { owner }),
    ...(texts.length > 0 && { tags: texts.sort() }),
  }
}
