/**
 * What of an error goes into the log. Not all that hangs on it: a database's error carries the statement with its
 * values and the row at fault (`query`, `params`, `detail`, `where`), and a bad address itself (`input`); positions and passwords
 * are among them.
 */
const SHOWN = [
  'code',
  'errno',
  'syscall',
  'address',
  'port',
  'severity',
  'constraint',
  'table',
  'routine',
] as const;

export type DescribedError = { type: string; message: string } & Record<string, unknown>;

/** How many causes behind causes are looked at: more is a circle. */
const MAX_CAUSES = 5;

/** PostgreSQL's errors, appendix A: 22 data exception. These have the value at fault in their message. */
const isOfData = ({ code }: Record<string, unknown>) => typeof code === 'string' && /^22...$/.test(code);

const withoutQuoted = (text: string) => text.replace(/"[^"]*"/g, '"…"');

/** As it stands in the log, wherever it was logged. */
export function describeError(error: unknown, depth = 0): DescribedError {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  const fields = error as unknown as Record<string, unknown>;
  const shown = SHOWN.filter((name) => ['string', 'number'].includes(typeof fields[name]));
  const { cause } = error;
  const text = (given: string) => (isOfData(fields) ? withoutQuoted(given) : given);
  return {
    type: error.name === 'Error' ? error.constructor.name : error.name,
    message: text(error.message),
    ...(error.stack === undefined ? {} : { stack: text(error.stack) }),
    ...Object.fromEntries(shown.map((name) => [name, fields[name]])),
    ...(cause === undefined || depth >= MAX_CAUSES ? {} : { cause: describeError(cause, depth + 1) }),
  };
}
