import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import { describeError } from './error.ts';
import { forEyes } from './for-eyes.ts';
import type { Levels, LogLevel } from './levels.ts';
import { withoutSecrets, withoutSecretTexts } from './redact.ts';
import { Repeats } from './repeats.ts';

export type { Logger } from 'pino';

const INFO = pino.levels.values.info ?? 30;
const FATAL = pino.levels.values.fatal ?? 60;

/** Where the bindings of a child are concerned, which `formatters.log` does not see. */
const BOUND = ['token', 'password', 'authorization', 'secret', 'latitude', 'longitude', 'payload'];

type Fields = { remoteAddress?: unknown } | null | undefined;

/**
 * pino: JSON lines, or something for eyes when stdout is a terminal. Without secrets and positions, whoever logs what; and without end
 * of lines that a stranger, or an outage, causes over and over.
 */
export function createLog(
  configured: LogLevel,
  destination: DestinationStream = process.stdout.isTTY ? forEyes() : pino.destination(1),
): { log: Logger; levels: Levels } {
  const repeats = new Repeats();
  const children = new Set<WeakRef<Logger>>();
  const gone = new FinalizationRegistry<WeakRef<Logger>>((child) => children.delete(child));
  const options: LoggerOptions = {
    level: configured,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: BOUND,
    // Errors are described wherever they are
    serializers: { err: (described: unknown) => described },
    formatters: { log: withoutSecrets },
    onChild(child) {
      const reference = new WeakRef(child as Logger);
      children.add(reference);
      gone.register(child, reference);
    },
    hooks: {
      streamWrite: withoutSecretTexts,
      logMethod(given, method, level) {
        const [first, second] = given as unknown[];
        // Alone, pino would take the message as it is
        const isAlone = first instanceof Error && typeof second !== 'string';
        const message = isAlone
          ? describeError(first).message
          : String(typeof first === 'string' ? first : second);
        const remoteAddress = (first as Fields)?.remoteAddress;
        const isLimited = level > INFO ? level < FATAL : level === INFO && typeof remoteAddress === 'string';
        const isAdmitted =
          !isLimited ||
          repeats.admits({
            message,
            remoteAddress: typeof remoteAddress === 'string' ? remoteAddress : undefined,
            write: (fields, about) => method.call(this, fields, about),
          });
        if (!isAdmitted) return;
        if (isAlone) method.call(this, first, message);
        else method.apply(this, given);
      },
    },
  };
  const log = pino(options, destination);
  const levels: Levels = {
    configured,
    get level() {
      return log.level as LogLevel;
    },
    set(level) {
      log.level = level;
      for (const child of children) {
        const alive = child.deref();
        // A child has a level of its own from the moment that it is made
        if (alive !== undefined) alive.level = level;
      }
    },
  };
  return { log, levels };
}

export const createLogger = (level: LogLevel): Logger => createLog(level).log;
