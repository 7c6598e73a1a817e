// Loaded into a gateway before its own code: SIGUSR2 has it collect its garbage whole, so that what it holds can be told from what it has not yet let go of.

process.on('SIGUSR2', () => void global.gc?.())
