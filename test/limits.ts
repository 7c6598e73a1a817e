// Limits as the settings have them by default, for tests that build a part of the gateway by hand.

import { parseConfig } from '../src/config.ts'

export const { lookupLimits, trainLimits } = parseConfig({})
