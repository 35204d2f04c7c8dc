import { randomUUID } from 'node:crypto';
import { RedisConnections } from '../../shared/redis/connections.ts';
import { createLogger } from '../../shared/telemetry/log.ts';

/** The real Redis of this run, or where `url` says, with a name space of its own. Closed by the test. */
export function testRedis(prefix: string, url = process.env.TEST_REDIS_URL ?? ''): RedisConnections {
  // What is slow here is the machine that runs all tests at once, and no reason to go on without Redis
  return new RedisConnections(url, prefix, createLogger('silent'), 20_000);
}

/** ms that a busy machine may need more than a promise allows. */
export const BUSY_MS = 10_000;

export const newPrefix = () => `test-${randomUUID()}`;

/** Waits for what is to happen within this time (ms). Gives what was found; fails with what it was last. */
export async function eventually<T>(
  find: () => T | Promise<T>,
  holds: (found: T) => boolean,
  withinMs = 20_000,
): Promise<T> {
  const end = Date.now() + withinMs;
  for (;;) {
    const found = await find();
    if (holds(found)) return found;
    if (Date.now() > end) throw new Error(`not within ${withinMs} ms; last: ${JSON.stringify(found)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
