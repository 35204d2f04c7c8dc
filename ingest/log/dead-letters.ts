import type { RedisConnection } from '../../shared/redis/connection.ts';
import type { Logger } from '../../shared/telemetry/log.ts';

/** What nobody has looked at by then goes, the oldest first: it is there to be looked at, not to fill the server. */
const MAX_LETTERS = 100_000;

/** Where goes what can not be stored, also not later: with the reason, for somebody to look at. */
export type DeadLetters = {
  /** `value`: as it stood in the log. Settles when it is kept. */
  set(reason: string, driverId: string, value: string): Promise<void>;
};

export function createDeadLetters(redis: RedisConnection, key: string, log: Logger): DeadLetters {
  return {
    async set(reason, driverId, value) {
      log.error({ driverId, reason }, 'a position can not be stored and is set aside');
      await redis.xadd(
        key,
        'MAXLEN',
        '~',
        MAX_LETTERS,
        '*',
        'reason',
        reason,
        'driverId',
        driverId,
        'value',
        value,
      );
    },
  };
}
