import type { Queries } from '../../database/index.ts';
import type { RedisConnection } from '../../redis/connection.ts';
import type { ActiveTrip } from '../../trips/active-trips.ts';
import { activeTripOf, partBeganAt } from '../../trips/active-trips.ts';
import type { SharedDriverTrips } from '../../trips/driver-trips.ts';
import { findActiveTrips } from '../../trips/sql/find-trip.ts';
import type { Trip } from '../../trips/trip.ts';
import type { LoggedPosition } from '../index.ts';
import { parseRow, positionOf } from './entry.ts';
import type { Shards } from './shards.ts';

/**
 * A driver's trips follow one another, so the one that set out later is the newer one, and of one trip the higher version. What is older
 * than what is known changes nothing: changes are told by whoever committed them and again by the relay.
 * KEYS: the driver's hash (append-script.ts). ARGV: when it set out, version, id ('' when it is over), when its part began, JSON.
 */
const SET_TRIP_SCRIPT = `
local v = redis.call('HMGET', KEYS[1], 'te', 'tv')
local te, tv = tonumber(v[1]) or -1, tonumber(v[2]) or -1
local e, version = tonumber(ARGV[1]), tonumber(ARGV[2])
if e < te or (e == te and version <= tv) then return 0 end
redis.call('HSET', KEYS[1], 'te', ARGV[1], 'tv', ARGV[2], 'ti', ARGV[3], 'ts', ARGV[4], 'tj', ARGV[5])
if redis.call('PTTL', KEYS[1]) == -1 then redis.call('PEXPIRE', KEYS[1], ARGV[6]) end
return 1
`;

type Scripted = RedisConnection & {
  fleetcastSetTrip(key: string, ...args: (string | number)[]): Promise<0 | 1>;
};

/** What the log knows of drivers beside their positions: the trip that each is on. */
export class DriverTrips implements SharedDriverTrips {
  private readonly redis: Scripted;
  private readonly shards: Shards;
  private readonly rememberMs: number;

  constructor(redis: RedisConnection, shards: Shards, rememberMs: number) {
    redis.defineCommand('fleetcastSetTrip', { numberOfKeys: 1, lua: SET_TRIP_SCRIPT });
    this.redis = redis as Scripted;
    this.shards = shards;
    this.rememberMs = rememberMs;
  }

  /** A trip has changed. Tells whether that was news. */
  async apply(trip: Trip): Promise<boolean> {
    if (trip.driverId === null || trip.enRouteAt === null) return false;
    const active = activeTripOf(trip);
    const changed = await this.redis.fleetcastSetTrip(
      this.shards.driver(trip.driverId),
      Date.parse(trip.enRouteAt),
      trip.version,
      active?.id ?? '',
      active === undefined ? '' : partBeganAt(active),
      active === undefined ? '' : JSON.stringify(active),
      this.rememberMs,
    );
    return changed === 1;
  }

  /** Tells of all trips that are under way: RedisConnection may have lost them. */
  async restore(queries: Queries): Promise<number> {
    const running = await findActiveTrips(queries);
    for (const trip of running) await this.apply(trip);
    return running.length;
  }

  /** The trip that a driver is on, and its newest position if that belongs to it. */
  async current(
    driverId: string,
  ): Promise<{ trip: ActiveTrip; position: LoggedPosition | undefined } | undefined> {
    const [json, newest, packed] = await this.redis.hmget(this.shards.driver(driverId), 'tj', 'n', 'p');
    if (!json) return undefined;
    const trip = JSON.parse(json) as ActiveTrip;
    if (!newest || !packed) return { trip, position: undefined };
    const end = packed.indexOf('|');
    const position: LoggedPosition = {
      driverId,
      receivedAt: Number(packed.slice(0, end)),
      tripId: trip.id,
      timeAssigned: false,
      ...positionOf(parseRow(packed.slice(end + 1)), Number(newest)),
    };
    return { trip, position };
  }

  /** Forgets where a driver was, if that was recorded before `before` (epoch ms): its positions have been erased. */
  async erase(driverId: string, before: number): Promise<void> {
    const key = this.shards.driver(driverId);
    const newest = await this.redis.hget(key, 'n');
    if (newest !== null && Number(newest) < before) await this.redis.hdel(key, 'p');
  }
}
