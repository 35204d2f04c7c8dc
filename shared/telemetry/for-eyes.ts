import pretty from 'pino-pretty';

/** Written by others on the line, or of no use to eyes. */
const LEFT_OUT = new Set(['level', 'time', 'msg', 'err', 'pid', 'version', 'node']);

type Described = { message?: string; code?: string; stack?: string };

const ERROR = 50;

const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

/** `{a: {b: 1}}` as `a.b=1`. */
function* pairs(fields: Record<string, unknown>, before = ''): Generator<string> {
  for (const [name, value] of Object.entries(fields)) {
    if (before === '' && LEFT_OUT.has(name)) continue;
    if (Array.isArray(value)) yield `${before}${name}=${value.map(text).join(',')}`;
    else if (typeof value === 'object' && value !== null)
      yield* pairs(value as Record<string, unknown>, `${before}${name}.`);
    else yield `${before}${name}=${text(value)}`;
  }
}

/** What went wrong in a few words; where it is ours, with its place. */
function reason({ err, level }: Record<string, unknown>): string {
  if (typeof err !== 'object' || err === null) return '';
  const { message, code, stack } = err as Described;
  const words = ` (${[message, code].filter((word) => word !== undefined && word !== '').join(', ')})`;
  return Number(level) >= ERROR && stack !== undefined
    ? `${words}\n${stack.split('\n').slice(1).join('\n')}`
    : words;
}

/** For a person at a terminal: one short line for each, in colour unless NO_COLOR is set (https://no-color.org). */
export const forEyes = (destination: NodeJS.WritableStream | 1 = 1) =>
  pretty({
    colorize: (process.env.NO_COLOR ?? '') === '',
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'pid,hostname',
    hideObject: true,
    messageFormat: (log, messageKey) =>
      [String(log[messageKey] ?? ''), ...pairs(log)].join(' ') + reason(log),
    destination,
    sync: true,
  });
