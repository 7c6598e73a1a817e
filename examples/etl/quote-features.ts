// Row by row: one row of the query in, one row of features out, or null to leave the row away.

interface Quote {
  user_id: string | null
  is_binded: boolean
  creation_date: number
  binding_date: number | null
  card_type: string | null
  failed_count: number | null
  purchase_time: number | null
}

export function transform(quote: Quote) {
  if (quote.user_id === null) return null
  return {
    user_id: quote.user_id,
    is_binded: quote.is_binded,
    hours_to_bind: quote.binding_date === null ? null : (quote.binding_date - quote.creation_date) / 3600,
    pays_by_credit: quote.card_type === 'credit',
    failed_payments: quote.failed_count ?? 0,
    has_policy: quote.purchase_time !== null,
  }
}
