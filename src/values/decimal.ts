// Decimals: numbers as long as fifteen digits say it all, exact text beyond.

const numberLimit = 10n ** 15n
/** The powers of ten that a double holds exactly: dividing by one of them rounds only once. */
const exactPowers = Array.from({ length: 23 }, (_, i) => 10 ** i)

export function readDecimal(scaled: bigint, scale: number): number | string {
  if (scaled < numberLimit && scaled > -numberLimit) return toNumber(scaled, scale)
  let digits = scaled
  let places = scale
  while (places > 0 && digits % 10n === 0n) {
    digits /= 10n
    places -= 1
  }
  if (digits < numberLimit && digits > -numberLimit) return toNumber(digits, places)
  return formatDecimal(scaled, scale)
}

function toNumber(scaled: bigint, scale: number): number {
  const power = exactPowers[scale]
  return power === undefined ? Number(formatDecimal(scaled, scale)) : Number(scaled) / power
}

export function formatDecimal(scaled: bigint, scale: number): string {
  if (scale === 0) return scaled.toString()
  const sign = scaled < 0n ? '-' : ''
  const digits = (scaled < 0n ? -scaled : scaled).toString().padStart(scale + 1, '0')
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

const powers = Array.from({ length: 39 }, (_, i) => 10n ** BigInt(i))

function powerOfTen(exponent: number): bigint {
  return powers[exponent] ?? 10n ** BigInt(exponent)
}

const shortInteger = /^-?\d{1,15}$/
const decimalText = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/

/** The number times 10^scale; null when the text is none, has more places than the scale or more digits than the width. */
export function writeDecimal(text: string, width: number, scale: number): bigint | null {
  if (shortInteger.test(text)) {
    const whole = BigInt(text) * powerOfTen(scale)
    const limit = powerOfTen(width)
    return whole < limit && whole > -limit ? whole : null
  }
  const match = decimalText.exec(text)
  if (!match || `${match[2]}${match[3] ?? ''}` === '') return null
  let digits = `${match[2]}${match[3] ?? ''}`
  let places = (match[3] ?? '').length - Number(match[4] ?? 0)
  if (places < scale) {
    if (scale - places > 400) return null
    digits += '0'.repeat(scale - places)
    places = scale
  }
  const dropped = places - scale
  if (dropped > 0) {
    const kept = digits.slice(0, Math.max(0, digits.length - dropped))
    if (/[1-9]/.test(digits.slice(kept.length))) return null
    digits = kept
  }
  const scaled = BigInt(digits === '' ? 0 : digits)
  if (scaled >= powerOfTen(width)) return null
  return match[1] === '-' ? -scaled : scaled
}
