// Checks of what a caller gives: each failure names the argument, what it was and what it may be.

import { AppError } from '../errors.ts'

/** The name without outer blanks. */
export function nameWithin(argument: string, name: string, maxLength: number): string {
  const trimmed = name.trim()
  const { length } = trimmed
  if (length === 0 || length > maxLength) {
    const message = `${argument} has ${length} characters; it must have 1 to ${maxLength}, outer blanks not counted.`
    throw new AppError('BAD_USER_INPUT', message, { details: { argument, length } })
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(trimmed)) {
    const message = `${argument} holds a control character; it must be one line of text.`
    throw new AppError('BAD_USER_INPUT', message, { details: { argument } })
  }
  return trimmed
}

export function integerWithin(argument: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return
  const message = `${argument} is ${value}; it must be a whole number from ${min} to ${max}.`
  throw new AppError('BAD_USER_INPUT', message, { details: { argument, min, max } })
}
