/** PostgreSQL's errors, appendix A: 08 connection exception, 53 insufficient resources, 57P shut down; 55000 takes no connections. */
const states = /^(08...|53...|57P..|55000)$/;
/** Those of the system, and of our own circuit breaker. */
const codes = new Set([
  'CIRCUIT_OPEN',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
]);
/** What node-postgres says in words alone. */
const words =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|timeout expired|Client (has encountered|was closed))/;

/** Is it the database that can't be had for now, rather than the statement that is wrong? */
export function isUnreachable(error: Error & { code?: unknown }): boolean {
  return typeof error.code === 'string'
    ? states.test(error.code) || codes.has(error.code)
    : words.test(error.message);
}
