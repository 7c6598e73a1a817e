// Arrays to be filled: in a locked-down context an array that grows by assignment costs ten times as much for each cell, for its prototype is frozen.

let blank: readonly null[] = [null]

/** So many nulls, to be overwritten. */
export function blankCells(count: number): unknown[] {
  while (blank.length < count) blank = blank.concat(blank)
  return blank.slice(0, count)
}
