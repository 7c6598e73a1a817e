// A page of a dataset's rows as JSON text, read in parts that are small however wide the rows are.

import type { Training } from '../training/service.ts'
import { encodeFrame } from '../values/columns.ts'
import type { AnswerBudget } from './answer-budget.ts'

const firstRows = 20
/** Of JSON text that is made between two turns of the event loop, about. */
const partLength = 1024 * 1024

/** Rejects with TOO_LARGE once the answer's budget is used up. */
export async function encodePage(
  training: Pick<Training, 'rows'>,
  datasetId: string,
  { page, budget }: { page: { offset: number; limit: number }; budget: AnswerBudget },
): Promise<string> {
  const parts: string[] = []
  let rows = 0
  for (let size = firstRows; rows < page.limit; ) {
    const limit = Math.min(size, page.limit - rows)
    const frame = await training.rows(datasetId, { offset: page.offset + rows, limit })
    const text = encodeFrame(frame)
    budget.take(text.length)
    if (frame.rows.length > 0) parts.push(text.slice(1, -1))
    rows += frame.rows.length
    if (frame.rows.length < limit) break
    size = Math.max(1, Math.floor((partLength * frame.rows.length) / text.length))
  }
  return `[${parts.join(',')}]`
}
