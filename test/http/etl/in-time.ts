// Keeps the columns of a history, and of its values those that count.

export const columns = { happened: 'TIMESTAMP' }

export function transform({ key, happened, v }: { key: string; happened: string; v: number | null }) {
  return v === 0 ? null : { key, happened, doubled: v === null ? null : v * 2 }
}
