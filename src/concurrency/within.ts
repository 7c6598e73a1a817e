// A limit on the time that a promise is waited for.

const isLate = Symbol('late')

/** What the promise gives; where that takes longer, what `late` gives or throws: how it ends after that is nobody's concern. */
export async function within<T, Late>(ms: number, promise: Promise<T>, late: () => Late): Promise<T | Late> {
  const over = Promise.withResolvers<typeof isLate>()
  const timer = setTimeout(() => over.resolve(isLate), ms)
  try {
    const first = await Promise.race([promise, over.promise])
    return first === isLate ? late() : first
  } finally {
    clearTimeout(timer)
  }
}
