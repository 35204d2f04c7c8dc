import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

/** The host and something random: a container restarts with the same name and number. */
export function newProcessId(): string {
  return `${hostname()}-${randomBytes(4).toString('hex')}`;
}
