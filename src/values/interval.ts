// Intervals as DuckDB and PostgreSQL compare them: a month counts 30 days, a day 24 hours.

const microsPerSecond = 1_000_000n
const microsPerDay = 86_400n * microsPerSecond
const daysPerMonth = 30n
const maxMonths = 2n ** 31n - 1n
const maxDays = 2n ** 31n - 1n
const maxMicros = 2n ** 63n - 1n

const part =
  /\s*(?:([+-]?)(\d{1,12}) ?(years?|mons?|months?|days?)\b|([+-]?)(\d{1,10}):(\d\d)(?::(\d\d)(?:\.(\d{1,6})0*)?)?(?=\s|$))/y
const unitMicros: Record<string, bigint> = {
  year: 12n * daysPerMonth * microsPerDay,
  mon: daysPerMonth * microsPerDay,
  month: daysPerMonth * microsPerDay,
  day: microsPerDay,
}

/**
 * The one text of all intervals that equal the one spelled, `1 year 2 months 3 days 04:05:06.5`; undefined when the text
 * spells none, or one that is too long for the engines.
 */
export function canonicalInterval(text: string): string | undefined {
  const special = text.toLowerCase()
  if (special === 'infinity' || special === '-infinity') return special
  let micros = 0n
  part.lastIndex = 0
  do {
    const match = part.exec(text)
    if (match === null) return undefined
    const [, sign, count = '', unit = '', clockSign] = match
    const isBack = (sign ?? clockSign) === '-'
    const length =
      unit === '' ? clockMicros(match) : BigInt(count) * (unitMicros[unit.replace(/s$/, '')] ?? 0n)
    if (length === undefined) return undefined
    micros += isBack ? -length : length
  } while (part.lastIndex < text.length)
  return formatInterval(micros)
}

function clockMicros([, , , , , hours = '', minutes = '', seconds = '00', fraction = '']: RegExpExecArray) {
  if (Number(minutes) > 59 || Number(seconds) > 59) return undefined
  const whole = BigInt(hours) * 3600n + BigInt(Number(minutes) * 60 + Number(seconds))
  return whole * microsPerSecond + BigInt(fraction.padEnd(6, '0'))
}

/** As many months as there are in it, then days, then what is left. */
function formatInterval(micros: bigint): string | undefined {
  const sign = micros < 0n ? '-' : ''
  let rest = micros < 0n ? -micros : micros
  const months = least(rest / (daysPerMonth * microsPerDay), maxMonths)
  rest -= months * daysPerMonth * microsPerDay
  const days = least(rest / microsPerDay, maxDays)
  rest -= days * microsPerDay
  if (rest > maxMicros) return undefined
  const counts = [
    [months / 12n, 'year'],
    [months % 12n, 'month'],
    [days, 'day'],
  ] as const
  const parts = counts
    .filter(([count]) => count > 0n)
    .map(([count, unit]) => `${sign}${count} ${unit}${count === 1n ? '' : 's'}`)
  if (rest > 0n || parts.length === 0) parts.push(`${sign}${formatClock(rest)}`)
  return parts.join(' ')
}

function formatClock(micros: bigint): string {
  const seconds = micros / microsPerSecond
  const fraction = String(micros % microsPerSecond)
    .padStart(6, '0')
    .replace(/0+$/, '')
  const two = (number: bigint) => String(number).padStart(2, '0')
  const clock = `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}`
  return fraction === '' ? clock : `${clock}.${fraction}`
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}
