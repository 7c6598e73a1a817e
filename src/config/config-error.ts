// What is wrong with the settings. Apart from how they are read, which the processes that run engines need not load.

/** Thrown with one line for each faulty setting: its name, what is wrong, what it may be. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}
