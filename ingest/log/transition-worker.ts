import type { Emitter } from '../../shared/emitter/index.ts';
import { FleetcastError } from '../../shared/errors.ts';
import { reportRefusal } from '../../shared/messages/errors.ts';
import type { Publisher } from '../../shared/messages/publisher.ts';
import type { RedisConnection } from '../../shared/redis/connection.ts';
import type { RedisConnections } from '../../shared/redis/connections.ts';
import { Lease } from '../../shared/redis/lease.ts';
import type { Logger } from '../../shared/telemetry/log.ts';
import type { Metrics } from '../../shared/telemetry/metrics.ts';
import type { TripStore } from '../../shared/trips/store.ts';
import { appliedTopic, type LoggedTransition, transitionLogKey } from '../../shared/trips/transition-log.ts';
import type { DeadLetters } from './dead-letters.ts';

export type TransitionWorkerOptions = {
  redis: RedisConnections;
  trips: Pick<TripStore, 'transition'>;
  publisher: Publisher;
  emitter: Emitter;
  deadLetters: DeadLetters;
  metrics: Pick<Metrics, 'refusals' | 'deadLetters'>;
  log: Logger;
};

type Entry = [id: string, fields: string[]];
type Streams = [key: string, entries: Entry[]][] | null;

const READ_ENTRIES = 100;
const BLOCK_MS = 500;
const AWAY_RETRY_MS = 250;
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 2000;

/**
 * Applies the transitions that stand in the log. One worker at a time does, so that those of a trip are applied in order; the others
 * wait to take its place. An entry goes when it is applied, so one whose worker died in between is applied again: a repeat of a status
 * changes nothing.
 */
export class TransitionWorker {
  private readonly commands: RedisConnection;
  private readonly reader: RedisConnection;
  private readonly lease: Lease;
  private readonly running: Promise<void>;
  private counter = 0;
  private stopped = false;
  private readonly options: TransitionWorkerOptions;

  constructor(options: TransitionWorkerOptions) {
    this.options = options;
    const { redis } = options;
    this.commands = redis.connect('transitions');
    this.reader = redis.connect('transitions-reader', { commandTimeout: BLOCK_MS * 10 });
    this.lease = new Lease(this.commands, redis.key('lease', 'transitions'));
    this.running = this.run();
  }

  /** Ends after those that are under way. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.reader.disconnect();
    await this.running;
    await this.lease.stop();
  }

  private async run(): Promise<void> {
    const key = transitionLogKey(this.options.redis);
    while (!this.stopped) {
      try {
        if (this.lease.isHeld) await this.applyNext(key);
        else await pause(AWAY_RETRY_MS);
      } catch (error) {
        if (this.stopped) return;
        this.options.log.debug({ err: error }, 'transitions could not be read; trying again');
        await pause(AWAY_RETRY_MS);
      }
    }
  }

  private async applyNext(key: string): Promise<void> {
    // From the beginning: what is applied is not there any more
    const streams = (await this.reader.xread(
      'COUNT',
      READ_ENTRIES,
      'BLOCK',
      BLOCK_MS,
      'STREAMS',
      key,
      '0',
    )) as Streams;
    const byTrip = new Map<string, { id: string; transition: LoggedTransition }[]>();
    for (const [id, [, json = '']] of streams?.[0]?.[1] ?? []) {
      const transition = parse(json);
      if (transition === undefined) await this.setAside(key, id, json);
      else byTrip.set(transition.tripId, [...(byTrip.get(transition.tripId) ?? []), { id, transition }]);
    }
    await Promise.all(
      [...byTrip.values()].map(async (ofTrip) => {
        for (const { id, transition } of ofTrip) {
          if (!(await this.apply(transition))) return;
          await this.commands.xdel(key, id);
          this.reply(transition);
        }
      }),
    );
  }

  /** Until it is decided. @returns false when it is not for this worker any more */
  private async apply(transition: LoggedTransition): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      if (this.stopped || !this.lease.isHeld) return false;
      try {
        await this.options.trips.transition(transition);
        return true;
      } catch (error) {
        if (error instanceof FleetcastError) {
          this.options.metrics.refusals.count(error.refusal.code);
          await reportRefusal(this.options.publisher, transition.actor, transition.topic, error.refusal);
          return true;
        }
        // The transition is at fault, not the database (PostgreSQL's errors, appendix A: 22 data exception, 23 integrity violation)
        if (/^2[23]/.test(String((error as { code?: unknown }).code))) {
          await this.options.deadLetters.set((error as Error).message, '', JSON.stringify(transition));
          this.options.metrics.deadLetters.count('transition');
          return true;
        }
        this.options.log.warn(
          { err: error, attempt, tripId: transition.tripId },
          'a transition could not be applied; trying again',
        );
        await pause(Math.min(FIRST_RETRY_MS * 2 ** (attempt - 1), MAX_RETRY_MS));
      }
    }
  }

  private reply({ replyTo, number }: LoggedTransition): void {
    this.options.emitter.emit({
      cmd: 'publish',
      topic: appliedTopic(replyTo),
      payload: Buffer.from(String(number)),
      qos: 0,
      retain: false,
      brokerId: `applied ${replyTo}`,
      brokerCounter: ++this.counter,
    });
  }

  private async setAside(key: string, id: string, json: string): Promise<void> {
    await this.options.deadLetters.set('not a transition', '', json);
    await this.commands.xdel(key, id);
    this.options.metrics.deadLetters.count('transition');
  }
}

function parse(json: string): LoggedTransition | undefined {
  try {
    const value = JSON.parse(json) as Partial<LoggedTransition> | null;
    return typeof value?.tripId === 'string' && typeof value.status === 'string' && value.actor !== undefined
      ? (value as LoggedTransition)
      : undefined;
  } catch {
    return undefined;
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
