import type { SessionClient } from './session.ts';

/**
 * What could not be kept is not acknowledged, and its client sends it again when it comes back: in a while. Closed at once, a fleet that
 * finds no room would log in some times a second, each, in the midst of an overload. Until then no more of it is read.
 */
export function holdOff(client: SessionClient, retryAfterMs: number): void {
  if (client.session === undefined || client.session.isHeldOff) return;
  client.session.isHeldOff = true;
  client.pause();
  // Not all at the same moment
  setTimeout(() => client.close(), retryAfterMs * (0.5 + Math.random() / 2)).unref();
}
