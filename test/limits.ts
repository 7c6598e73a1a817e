// Limits as the settings have them by default, for tests that build a part of the gateway by hand.

import { parseConfig } from '../src/config/config.ts'

export const checkTimeoutMs = 60_000

export const { absentMaxBytes, lookupLimits, trainLimits, viewsOnFirstUse } = parseConfig({})

/** Who may have views made by lookups. */
export const writer = { writesCatalog: true }
