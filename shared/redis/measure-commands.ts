import type { Command } from 'ioredis';
import type { Metrics } from '../telemetry/metrics.ts';
import type { RedisConnection } from './connection.ts';

export type CommandTimes = Pick<Metrics, 'redisCommands' | 'redisFailures'>;

/** They wait for news, and all behind them on their connection waits too. */
const BLOCKING: ReadonlySet<string> = new Set(['xread', 'xreadgroup', 'subscribe', 'psubscribe']);
/** Answers that are expected: the script is sent then, or the group is there already. */
const EXPECTED = /^(NOSCRIPT|BUSYGROUP) /;
/** Each shard has a reader: together they are one. */
const SHARD = /-s\d+$/;

/** Times every command of a connection, with all that waits before it there. `purpose`: see RedisConnections. */
export function measureCommands(
  connection: RedisConnection,
  purpose: string,
  { redisCommands, redisFailures }: CommandTimes,
): void {
  const times = redisCommands.of(purpose.replace(SHARD, ''));
  const send = connection.sendCommand.bind(connection) as (command: Command, ...rest: unknown[]) => unknown;
  let isReader = false;
  const failed = (error: unknown) => {
    if (!EXPECTED.test((error as Error).message)) redisFailures.inc();
  };
  connection.sendCommand = (command: Command, ...rest: unknown[]): unknown => {
    isReader ||= BLOCKING.has(command.name);
    if (!isReader) {
      const sentAt = performance.now();
      command.promise.then(() => times.observe((performance.now() - sentAt) / 1000), failed);
    }
    return send(command, ...rest);
  };
}
