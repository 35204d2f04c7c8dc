import type { RedisConnection } from '../redis/connection.ts';
import type { RedisConnections } from '../redis/connections.ts';
import { byShard, DRIVER_SHARDS, driverShard, inCalls, shardTag } from '../redis/driver-shards.ts';
import { defineScript, type Script } from '../redis/script.ts';
import type { DriverStatus, ReportedStatus } from '../schemas/driver-status.ts';
import { RECORD_SCRIPT } from './record-script.ts';

/** ms; what each is for stands where they are given. */
export type RecordTimes = {
  grace: number;
  stale: number;
  lease: number;
  refresh: number;
  tell: number;
};

/** One step of one driver (`d`), as the script takes it. `s`, `ra`: ms ago. */
export type Step = { d: string } & (
  | { e: 'report'; r: ReportedStatus; s: number; m: number }
  | { e: 'will'; r: ReportedStatus; n: number; m: number }
  | { e: 'connected'; w?: ReportedStatus | undefined }
  | { e: 'disconnected'; n: number; w?: ReportedStatus | undefined; s?: number | undefined }
  | { e: 'seen'; s: number }
  | { e: 'trip'; t: boolean; at: number }
  | { e: 'restore'; r: DriverStatus; t: boolean; at: number; s: number }
  | {
      e: 'refresh';
      w?: ReportedStatus | undefined;
      s?: number | undefined;
      v?: number | undefined;
      r?: ReportedStatus | undefined;
      t?: boolean | undefined;
      p?: DriverStatus | undefined;
    }
  | {
      e: 'merge';
      /** Its connections here, and whether the last was closed meanwhile. */
      n: number;
      closed: boolean;
      w?: ReportedStatus | undefined;
      r?: ReportedStatus | undefined;
      ra?: number | undefined;
      l?: boolean | undefined;
      t?: boolean | undefined;
      ta?: number | undefined;
      s?: number | undefined;
      /** Epoch ms: nothing was stored under a later time. */
      a: number;
    }
  | { e: 'claim' }
  | { e: 'told'; v: number }
  | { e: 'unclaim'; now: boolean }
);

/** What came of a step. */
export type Answer = {
  driverId: string;
  status: DriverStatus;
  version: number;
  /** Epoch ms: under which it is stored, and which is told with it. */
  at: number;
  messageAt: number;
  /** That it is told is for this process to do. */
  isMine: boolean;
  /** It is as the database has it. */
  isStored: boolean;
  reported: ReportedStatus | undefined;
  isLost: boolean;
  isOnTrip: boolean;
  published: DriverStatus | undefined;
};

type RawAnswer = {
  d: string;
  s: DriverStatus;
  v: number;
  a: number;
  m: number;
  mine: boolean;
  old?: boolean;
  r?: ReportedStatus;
  l?: boolean;
  t?: boolean;
  p?: DriverStatus;
};

/** What could not be told is tried again by whoever is alive. */
const RETRY_MS = 2000;
/**
 * When a driver was heard of is known to so many ms, or less: a tenth of what makes it stale, and well within the time that passes before
 * the loss of a process shows, so that whoever was heard of since then is known to be there.
 */
const CALM_MS = 5000;
/** After a change nobody is taken for stale for so long: who is only just on a trip, or off one, may not have been heard of. */
const IDLE_MS = 30_000;
/** Drivers that one sweep of a shard looks at: the rest waits for the next one, a second later. */
const MAX_SWEPT = 100;

/** The records of all drivers in Redis, changed by one script. Every method rejects when Redis is away. */
export class SharedRecords {
  readonly connection: RedisConnection;
  private readonly script: Script;
  private readonly settings: string;
  private readonly redis: RedisConnections;

  constructor(redis: RedisConnections, processId: string, times: RecordTimes) {
    this.redis = redis;
    this.connection = redis.connect('presence');
    this.script = defineScript(this.connection, 'presence', RECORD_SCRIPT);
    this.settings = JSON.stringify({
      ...times,
      process: processId,
      retry: RETRY_MS,
      idle: Math.min(IDLE_MS, times.stale),
      calm: Math.min(CALM_MS, times.stale / 10, (times.lease - times.refresh) / 4),
    });
  }

  /** undefined: it came to nothing. */
  async one(step: Step): Promise<Answer | undefined> {
    const [answer] = await this.run(driverShard(step.d), [step]);
    return answer;
  }

  /** Steps of many drivers; those that changed nothing have no answer. */
  async many(steps: readonly Step[]): Promise<Answer[]> {
    const calls: Promise<Answer[]>[] = [];
    for (const [shard, ofShard] of byShard(steps, ({ d }) => d))
      for (const some of inCalls(ofShard)) calls.push(this.run(shard, some));
    return (await Promise.all(calls)).flat();
  }

  /** Leases, grace times and stale drivers whose time is over, and what somebody should have told. */
  async sweep(): Promise<Answer[]> {
    const shards = Array.from({ length: DRIVER_SHARDS }, (_, shard) => shard);
    const step = { e: 'sweep', n: MAX_SWEPT };
    return (await Promise.all(shards.map((shard) => this.run(shard, [step])))).flat();
  }

  private async run(shard: number, steps: readonly object[]): Promise<Answer[]> {
    const tag = shardTag(shard);
    const answers = await this.script(
      ['presence', 'presence-due', 'presence-untold'].map((name) => this.redis.key(name, tag)),
      [this.settings, JSON.stringify(steps)],
    );
    return (JSON.parse(String(answers)) as RawAnswer[]).map(readAnswer);
  }
}

function readAnswer(raw: RawAnswer): Answer {
  return {
    driverId: raw.d,
    status: raw.s,
    version: raw.v,
    at: raw.a,
    messageAt: raw.m,
    isMine: raw.mine,
    isStored: raw.old ?? false,
    reported: raw.r,
    isLost: raw.l ?? false,
    isOnTrip: raw.t ?? false,
    published: raw.p,
  };
}
