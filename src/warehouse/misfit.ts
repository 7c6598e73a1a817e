// The one row that an engine refuses, found by asking it of fewer and fewer.

/** `refusal` gives the reason why the rows from one place up to another are not taken, or null. */
export async function firstRefused(
  count: number,
  refusal: (from: number, to: number) => Promise<string | null>,
): Promise<{ row: number; reason: string } | null> {
  let reason = await refusal(0, count)
  if (reason === null) return null
  let [from, to] = [0, count]
  while (to - from > 1) {
    const middle = Math.floor((from + to) / 2)
    const before = await refusal(from, middle)
    if (before === null) from = middle
    else {
      reason = before
      to = middle
    }
  }
  return { row: from, reason: (await refusal(from, to)) ?? reason }
}
