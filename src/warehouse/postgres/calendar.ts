// PostgreSQL's texts of dates and timestamps (ISO, UTC) as ours, and ours as its own; and for the Parquet engine.

/** `2026-01-31`, `12026-01-31`, `0044-03-15 BC`, `infinity`. */
export function readDate(text: string): string {
  if (text.length === 10 && text.charCodeAt(4) === 45) return text
  if (text.endsWith('infinity')) return text
  const isBefore = text.endsWith(' BC')
  const dash = text.indexOf('-')
  return `${formatYear(Number(text.slice(0, dash)), isBefore)}${text.slice(dash, isBefore ? -3 : undefined)}`
}

const timestampText = /^(\d+-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d+))?(?:\+00)?( BC)?$/

export function readTimestamp(text: string): string {
  const match = timestampText.exec(text)
  if (!match) return text
  const [, date = '', time = '', fraction = '', era = ''] = match
  return `${readDate(date + era)}T${time}${formatFraction(fraction)}Z`
}

/** Milliseconds when they say it all, else microseconds. */
function formatFraction(digits: string): string {
  if (digits === '') return ''
  return digits.length <= 3 ? `.${digits.padEnd(3, '0')}` : `.${digits.padEnd(6, '0')}`
}

/** Years count through zero: 1 BC is 0000. */
function formatYear(year: number, isBefore: boolean): string {
  const count = isBefore ? 1 - year : year
  if (count >= 0 && count <= 9999) return String(count).padStart(4, '0')
  return `${count < 0 ? '-' : '+'}${String(Math.abs(count)).padStart(6, '0')}`
}

const ownDate = /^([+-]?\d{4,7})(-\d\d-\d\d)(.*)$/

export function writeDate(text: string): string {
  const match = ownDate.exec(text)
  if (!match) return text
  const year = Number(match[1])
  const written = String(year > 0 ? year : 1 - year).padStart(4, '0')
  return `${written}${match[2]}${match[3]}${year > 0 ? '' : ' BC'}`
}

export function writeTimestamp(text: string): string {
  return writeDate(text.replace('T', ' ').replace(/Z$/, '+00'))
}

export function loadDate(text: string): string {
  return `CAST(replace(${text}, ' BC', ' (BC)') AS DATE)`
}

/** The engine writes the era after the date, not at the end. */
export function loadTimestamp(text: string, type: string): string {
  return `CAST(CASE WHEN suffix(${text}, ' BC') THEN regexp_replace(${text}, '^(\\S+)(.*) BC$', '\\1 (BC)\\2') ELSE ${text} END AS ${type})`
}
