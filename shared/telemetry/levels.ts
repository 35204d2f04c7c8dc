/** From the most talkative on; silent: nothing at all. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** The level of a logger and of all that were made of it, to be changed while they are in use. */
export type Levels = {
  readonly level: LogLevel;
  /** The one that the process was started with. */
  readonly configured: LogLevel;
  set(level: LogLevel): void;
};
