import type { RedisConnection } from '../redis/connection.ts';
import type { RedisConnections } from '../redis/connections.ts';
import type { FollowState } from './sql/find-follow-states.ts';
import { hasEnded } from './status.ts';

/** So long after its last change a trip can be followed without the database; its status is told for as long as it goes on. */
const KEEP_MS = 24 * 3_600_000;
/** Who comes back to a trip that has ended sees that it has. */
const KEEP_ENDED_MS = 600_000;

/** KEYS: of the trip. ARGV: version, state as JSON, how long to keep it (ms). Of two that tell of a trip, the older changes nothing. */
const KEEP_SCRIPT = `
local known = tonumber(redis.call('HGET', KEYS[1], 'version')) or 0
if tonumber(ARGV[1]) < known then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'state', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`;

type Scripted = RedisConnection & {
  fleetcastKeepState(key: string, ...args: (string | number)[]): Promise<0 | 1>;
};

/**
 * Where trips stand, for followers that come while the database is away: who may follow a trip, and its latest status. The relay keeps it
 * before it publishes a change, so what is found is never older than what followers have been told.
 */
export class KeptFollowStates {
  private readonly redis: Scripted;
  private readonly key: (tripId: string) => string;

  constructor(redis: RedisConnection, connections: RedisConnections) {
    redis.defineCommand('fleetcastKeepState', { numberOfKeys: 1, lua: KEEP_SCRIPT });
    this.redis = redis as Scripted;
    this.key = (tripId) => connections.key('follow', tripId);
  }

  async keep(states: readonly FollowState[]): Promise<void> {
    await Promise.all(
      states.map((state) =>
        this.redis.fleetcastKeepState(
          this.key(state.id),
          state.messages.at(-1)?.version ?? 0,
          JSON.stringify(state),
          hasEnded(state.status) ? KEEP_ENDED_MS : KEEP_MS,
        ),
      ),
    );
  }

  /** undefined: not of all of them is it known. */
  async find(tripIds: readonly string[]): Promise<FollowState[] | undefined> {
    const found = await Promise.all(tripIds.map((id) => this.redis.hget(this.key(id), 'state')));
    const states = found.flatMap((json) => (json === null ? [] : (JSON.parse(json) as FollowState)));
    return states.length === tripIds.length ? states : undefined;
  }

  async erase(tripId: string): Promise<void> {
    await this.redis.del(this.key(tripId));
  }
}
