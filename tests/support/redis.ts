import { randomUUID } from 'node:crypto';
import { RedisConnections } from '../../shared/redis/connections.ts';
import { createLogger } from '../../shared/telemetry/log.ts';

/** A deployment of its own on the tests' Redis, or at another address of it. */
export function testRedis(
  url = process.env.TEST_REDIS_URL ?? '',
  prefix = `test-${randomUUID()}`,
): RedisConnections {
  return new RedisConnections(url, prefix, createLogger('silent'));
}
