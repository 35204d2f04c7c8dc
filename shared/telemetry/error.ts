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

/** How many causes behind causes are looked at: more is a circle. */
const MAX_CAUSES = 5;

/** pino's serializer for `err`. */
export function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  const fields = error as unknown as Record<string, unknown>;
  const shown = SHOWN.filter((name) => ['string', 'number'].includes(typeof fields[name]));
  const { cause } = error;
  return {
    type: error.name === 'Error' ? error.constructor.name : error.name,
    message: error.message,
    stack: error.stack,
    ...Object.fromEntries(shown.map((name) => [name, fields[name]])),
    ...(cause === undefined || depth >= MAX_CAUSES ? {} : { cause: describeError(cause, depth + 1) }),
  };
}
