import type { RedisConnection } from '../../redis/connection.ts';
import type { ActiveTrip } from '../../trips/active-trips.ts';
import type { LoggedPosition, Submission } from '../index.ts';
import { APPEND_SCRIPT } from './append-script.ts';
import { heldRow, row, tracedRow } from './entry.ts';
import type { Shards } from './shards.ts';

export type AppendLimits = {
  /** Over all shards. */
  maxQueuedPositions: number;
  locationMinIntervalMs: number;
  backlogMaxPerMinute: number;
  /** How long a silent driver is remembered. */
  rememberMs: number;
};

/** What the script says of a submission. */
export type Verdict =
  | {
      kind: 'admitted';
      isNewest: boolean;
      /** The first of the times that it gave. */
      assigned: number;
      /** The last live position once more. */
      resent: boolean;
      trip: ActiveTrip | undefined;
      /** Of the trip, to be given with the next position: '' for none. */
      tripVersion: string;
    }
  | { kind: 'limited'; retryAfterMs: number }
  | { kind: 'full' };

export type KnownTrip = { version: string; trip: ActiveTrip | undefined };

type Reply = [1, 0 | 1, number, 0 | 1, string, string] | [0, number] | [-1];

type Scripted = RedisConnection & {
  fleetcastAppend(keyCount: number, ...args: (string | number)[]): Promise<Reply[]>;
};

/** One turn's positions of one shard, with one script. */
export class Appender {
  private readonly redis: Scripted;
  private readonly shards: Shards;
  private readonly limits: AppendLimits;

  constructor(redis: RedisConnection, shards: Shards, limits: AppendLimits) {
    redis.defineCommand('fleetcastAppend', { lua: APPEND_SCRIPT });
    this.redis = redis as Scripted;
    this.shards = shards;
    this.limits = limits;
  }

  /** `known`: the trip that a driver was on last time. @returns a verdict for each, in order */
  async submit(
    shard: string,
    submissions: readonly Submission[],
    known: (driverId: string) => KnownTrip | undefined,
  ): Promise<Verdict[]> {
    const replies = await this.run(
      shard,
      submissions.map((submission) => ({
        driverId: submission.driverId,
        args: [
          ...argumentsOf(submission),
          known(submission.driverId)?.version ?? '',
          JSON.stringify(rowsOf(submission)),
          ...candidates(submission),
        ],
      })),
    );
    return replies.map((reply, index) => verdictOf(reply, known(submissions[index]?.driverId ?? '')));
  }

  /** Keeps what was admitted while the log was away. @throws Error when there is no room */
  async keep(shard: string, positions: readonly LoggedPosition[]): Promise<void> {
    const replies = await this.run(
      shard,
      positions.map((position) => {
        const held = JSON.stringify(heldRow(position));
        const payload =
          position.trace === undefined ? held : JSON.stringify([...heldRow(position), position.trace]);
        return {
          driverId: position.driverId,
          args: ['h', 1, 0, position.recordedAt, position.receivedAt, '', `[${payload}]`, held, ''],
        };
      }),
    );
    if (replies.some(([code]) => code !== 1)) throw new Error('the log is full');
  }

  private run(
    shard: string,
    submissions: readonly { driverId: string; args: readonly (string | number)[] }[],
  ): Promise<Reply[]> {
    const keys = [this.shards.log(shard), this.shards.counts(shard)];
    const keyOf = new Map<string, number>();
    const args: (string | number)[] = [
      Math.ceil(this.limits.maxQueuedPositions / this.shards.names.length),
      this.limits.locationMinIntervalMs,
      this.limits.backlogMaxPerMinute,
      this.limits.rememberMs,
    ];
    for (const { driverId, args: own } of submissions) {
      let key = keyOf.get(driverId);
      if (key === undefined) {
        key = keys.push(this.shards.driver(driverId, shard));
        keyOf.set(driverId, key);
      }
      args.push(key, driverId, ...own);
    }
    return this.redis.fleetcastAppend(keys.length, ...keys, ...args);
  }
}

function rowsOf({ positions, trace }: Submission) {
  if (trace === undefined) return positions.map(row);
  return positions.map((position, index) => (index === 0 ? tracedRow(position, trace) : row(position)));
}

const newestGiven = ({ positions }: Submission) =>
  positions.reduce((newest, { recordedAt }) => Math.max(newest, recordedAt ?? -1), -1);

const argumentsOf = (submission: Submission) => [
  submission.kind === 'live' ? 'l' : 'b',
  submission.positions.length,
  submission.positions.filter(({ recordedAt }) => recordedAt === null).length,
  newestGiven(submission),
  submission.receivedAt,
];

/** The rows of the positions that may be the newest: the newest of those with a time, the last of those without. */
function candidates(submission: Submission): [string, string] {
  const newest = newestGiven(submission);
  const given = submission.positions.find(({ recordedAt }) => recordedAt === newest);
  const unset = submission.positions.findLast(({ recordedAt }) => recordedAt === null);
  return [
    given === undefined ? '' : JSON.stringify(row(given)),
    unset === undefined ? '' : JSON.stringify(row(unset)),
  ];
}

function verdictOf(reply: Reply, known: KnownTrip | undefined): Verdict {
  if (reply[0] === 0) return { kind: 'limited', retryAfterMs: reply[1] };
  if (reply[0] === -1) return { kind: 'full' };
  const [, isNewest, assigned, resent, tripVersion, trip] = reply;
  return {
    kind: 'admitted',
    isNewest: isNewest === 1,
    assigned,
    resent: resent === 1,
    tripVersion,
    trip: tripVersion === '' ? undefined : trip === '' ? known?.trip : (JSON.parse(trip) as ActiveTrip),
  };
}
