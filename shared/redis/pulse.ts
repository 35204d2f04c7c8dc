import type { Redis } from 'ioredis';

const ASK_EVERY_MS = 1000;
/** A connection that is made has to be of use within this. */
const READY_MS = 2000;
/** A timer that comes so late tells that it was this process that stood still. */
const FROZEN_MS = 500;

/**
 * Gives up a connection on which nothing is answered any more, and makes a new one. A server that has vanished without a word (its host
 * is lost, a firewall has forgotten the connection) leaves one that looks alive: each command would take its full time to fail, and
 * go on to do so long after the server is back, until TCP gives up after a quarter of an hour.
 */
export function keepPulse(connection: Redis): void {
  const { commandTimeout = 0 } = connection.options;
  let isAsking = false;
  let readyTimer: NodeJS.Timeout | undefined;
  const ask = async (): Promise<void> => {
    if (isAsking || connection.status !== 'ready') return;
    isAsking = true;
    const askedAt = performance.now();
    try {
      await connection.ping();
    } catch (error) {
      const wasFrozen = performance.now() - askedAt > commandTimeout + FROZEN_MS;
      if (isTimeout(error) && !wasFrozen && connection.status === 'ready') connection.disconnect(true);
    }
    isAsking = false;
  };
  const timer = setInterval(() => void ask(), ASK_EVERY_MS).unref();
  connection.on('connect', () => {
    clearTimeout(readyTimer);
    readyTimer = setTimeout(() => {
      if (connection.status === 'connect') connection.disconnect(true);
    }, READY_MS).unref();
  });
  // Nobody wants it any more
  connection.on('end', () => {
    clearInterval(timer);
    clearTimeout(readyTimer);
  });
}

const isTimeout = (error: unknown) => error instanceof Error && error.message === 'Command timed out';
