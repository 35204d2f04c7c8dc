import { randomUUID } from 'node:crypto';
import type { GroupCommitEvents, WritePositions } from '../../shared/position-log/group-commit.ts';
import type { Shards } from '../../shared/position-log/redis/shards.ts';
import type { RedisConnection } from '../../shared/redis/connection.ts';
import type { RedisConnections } from '../../shared/redis/connections.ts';
import type { Logger } from '../../shared/telemetry/log.ts';
import type { DeadLetters } from './dead-letters.ts';
import { batchesOf, type EntryBatch, type StreamEntry } from './entry-batch.ts';
import { TRIM_SCRIPT } from './trim-script.ts';

export type LogWorkerOptions = {
  redis: RedisConnections;
  shards: Shards;
  write: WritePositions;
  deadLetters: DeadLetters;
  /** Entries that could not be understood were set aside. */
  malformed?(entries: number): void;
  /** Entries that a worker has not settled for so long (ms) are taken over by another one: it has died, or hangs. */
  claimAfterMs?: number;
  events: Required<GroupCommitEvents>;
  log: Logger;
};

const GROUP = 'ingest';
/** A commit takes milliseconds; whoever waits for the database says every now and then that it is still there. */
const CLAIM_AFTER_MS = 5000;
const CLAIM_EVERY_MS = 1000;
const TRIM_EVERY_MS = 250;
/** Entries at once. Each holds what one process got in one turn: from one position to 500. */
const READ_ENTRIES = 500;
const BLOCK_MS = 1000;
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 2000;
const AWAY_RETRY_MS = 250;
/** A worker's name in the group stays when it has gone; with nothing under way it is forgotten after this. */
const FORGET_AFTER_MS = 3_600_000;

type Scripted = RedisConnection & { fleetcastTrim(log: string, counts: string): Promise<[number, string]> };
type Streams = [key: string, entries: StreamEntry[]][] | null;

/**
 * Takes positions out of the log and writes them to the database, one batch after the other; while one is written the next gathers in the
 * log, so batches grow by themselves under load. An entry is acknowledged after its commit, so what a worker that died had under way is
 * written again, by another one: by driver and time it is the same. Any number of workers share the work.
 */
export class LogWorker {
  private readonly name = randomUUID();
  private readonly commands: Scripted;
  private readonly loops: Promise<void>[] = [];
  private readonly blocking: RedisConnection[] = [];
  private readonly waiting = new Map<string, { positions: number; oldestAt: number | undefined }>();
  private readonly timer: NodeJS.Timeout;
  private stopped = false;
  private readonly options: LogWorkerOptions;

  constructor(options: LogWorkerOptions) {
    this.options = options;
    this.commands = options.redis.connect('ingest') as Scripted;
    this.commands.defineCommand('fleetcastTrim', { numberOfKeys: 2, lua: TRIM_SCRIPT });
    for (const shard of options.shards.names) this.loops.push(this.run(shard));
    this.timer = setInterval(() => void this.trim(), TRIM_EVERY_MS);
  }

  /** Positions in the log that are not committed, as of a moment ago. */
  pending(): number {
    return [...this.waiting.values()].reduce((sum, { positions }) => sum + positions, 0);
  }

  /** Age (ms) of the oldest of them. */
  lagMs(now: number): number {
    const oldest = Math.min(...[...this.waiting.values()].map(({ oldestAt }) => oldestAt ?? now));
    return Number.isFinite(oldest) ? Math.max(0, now - oldest) : 0;
  }

  /** Ends after the batch that is under way. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    for (const connection of this.blocking) connection.disconnect();
    await Promise.all(this.loops);
    await this.trim();
    this.commands.disconnect();
  }

  private async run(shard: string): Promise<void> {
    const key = this.options.shards.log(shard);
    // Blocked most of the time: a connection of its own, and no limit on how long an answer takes but its own
    const reader = this.options.redis.connect(`ingest-${shard}`, { commandTimeout: BLOCK_MS * 5 });
    this.blocking.push(reader);
    let claimAt = 0;
    let hasGroup = false;
    while (!this.stopped) {
      try {
        if (!hasGroup) await this.createGroup(key);
        hasGroup = true;
        if (Date.now() >= claimAt) {
          const claimed = await this.claim(key);
          claimAt = claimed.length === 0 ? Date.now() + CLAIM_EVERY_MS : 0;
          await this.store(key, claimed);
        }
        await this.store(key, await this.read(reader, key));
      } catch (error) {
        if (this.stopped) return;
        // NOGROUP: the server has come back empty
        hasGroup = false;
        this.options.log.debug({ err: error, shard }, 'the log could not be read; trying again');
        await pause(AWAY_RETRY_MS);
      }
    }
  }

  private async createGroup(key: string): Promise<void> {
    await this.commands.xgroup('CREATE', key, GROUP, '0', 'MKSTREAM').catch((error: Error) => {
      if (!error.message.startsWith('BUSYGROUP')) throw error;
    });
  }

  private async read(reader: RedisConnection, key: string): Promise<StreamEntry[]> {
    const streams = (await reader.xreadgroup(
      'GROUP',
      GROUP,
      this.name,
      'COUNT',
      READ_ENTRIES,
      'BLOCK',
      BLOCK_MS,
      'STREAMS',
      key,
      '>',
    )) as Streams;
    return streams?.[0]?.[1] ?? [];
  }

  /** What another worker was given and has not settled. */
  private async claim(key: string): Promise<StreamEntry[]> {
    const idle = this.options.claimAfterMs ?? CLAIM_AFTER_MS;
    const [, entries] = (await this.commands.xautoclaim(
      key,
      GROUP,
      this.name,
      idle,
      '0',
      'COUNT',
      READ_ENTRIES,
    )) as [string, StreamEntry[]];
    if (entries.length > 0)
      this.options.log.info({ entries: entries.length }, 'took over what another worker had under way');
    return entries;
  }

  private async store(key: string, entries: readonly StreamEntry[]): Promise<void> {
    for (const batch of batchesOf(entries)) {
      const malformed = batch.malformed.length;
      if (!(await this.commit(key, batch))) return;
      for (const { reason, driverId, value } of batch.malformed)
        await this.options.deadLetters.set(reason, driverId, value);
      this.options.malformed?.(malformed);
      await this.commands.xack(key, GROUP, ...batch.ids);
    }
  }

  /** Until it is done. @returns false when this worker was stopped first: another one takes it over */
  private async commit(key: string, { ids, positions, malformed }: EntryBatch): Promise<boolean> {
    const { write, events } = this.options;
    for (let attempt = 1; ; attempt++) {
      try {
        if (positions.length > 0) {
          const outcomes = await write(positions);
          events.committed(positions);
          outcomes.forEach((outcome, index) => {
            const refused = positions[index];
            if (outcome === 'INVALID_PAYLOAD' && refused !== undefined)
              malformed.push({
                driverId: refused.driverId,
                value: JSON.stringify(refused),
                reason: 'refused by the database',
              });
          });
        }
        return true;
      } catch (error) {
        events.retrying(error, attempt, positions.length);
        if (this.stopped) return false;
        await pause(
          Math.min(FIRST_RETRY_MS * 2 ** (attempt - 1), MAX_RETRY_MS) * (0.7 + 0.3 * Math.random()),
        );
        await this.keepMine(key, ids);
      }
    }
  }

  /** They are still being worked on. */
  private async keepMine(key: string, ids: readonly string[]): Promise<void> {
    await this.commands
      .xclaim(key, GROUP, this.name, 0, ...ids, 'JUSTID')
      .catch((error: unknown) =>
        this.options.log.debug({ err: error }, 'the log could not be told that its entries are worked on'),
      );
  }

  private async trim(): Promise<void> {
    for (const shard of this.options.shards.names) {
      try {
        const [positions, oldest] = await this.commands.fleetcastTrim(
          this.options.shards.log(shard),
          this.options.shards.counts(shard),
        );
        this.waiting.set(shard, {
          positions,
          oldestAt: oldest === '' ? undefined : Number.parseInt(oldest, 10),
        });
        await this.forgetGone(this.options.shards.log(shard));
      } catch (error) {
        this.options.log.debug({ err: error, shard }, 'the log could not be trimmed; trying again');
      }
    }
  }

  private forgetAt = Date.now() + FORGET_AFTER_MS;

  private async forgetGone(key: string): Promise<void> {
    if (Date.now() < this.forgetAt) return;
    this.forgetAt = Date.now() + FORGET_AFTER_MS;
    const consumers = (await this.commands.xinfo('CONSUMERS', key, GROUP)) as unknown[][];
    for (const [, name, , pending, , idle] of consumers)
      if (pending === 0 && (idle as number) > FORGET_AFTER_MS)
        await this.commands.xgroup('DELCONSUMER', key, GROUP, String(name));
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
