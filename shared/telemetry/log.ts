import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';
import { describeError } from './error.ts';

export type { Logger } from 'pino';

/** Never in a log, wherever an object that holds them is logged (SPEC section 3). */
const REDACTED = [
  'token',
  'password',
  'authorization',
  'secret',
  'req.headers.authorization',
  '*.token',
  '*.password',
];

/** pino: JSON lines, or something for eyes when stdout is a terminal. */
export function createLogger(level: string): Logger {
  const options = {
    level,
    redact: REDACTED,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: describeError },
  };
  return process.stdout.isTTY
    ? pino(options, pretty({ colorize: true, translateTime: 'SYS:HH:MM:ss.l', sync: true }))
    : pino(options);
}
