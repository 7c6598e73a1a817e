// What a caller of training may ask for at most, wherever the call comes from.

/** How long a call that starts a dataset may wait for its end. */
export const maxWaitMs = 600_000
/** Rows in one page of a dataset. */
export const maxPage = 10_000
