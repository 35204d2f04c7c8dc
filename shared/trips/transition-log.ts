import { randomUUID } from 'node:crypto';
import type { Emitter } from '../emitter/index.ts';
import type { RedisConnection } from '../redis/connection.ts';
import type { RedisConnections } from '../redis/connections.ts';
import type { SentTransition, TransitionDoor } from './transition-door.ts';

/** The log of transitions: a stream of one field, JSON. */
export type LoggedTransition = SentTransition & {
  /** Who waits for it to be applied, and under which number. */
  replyTo: string;
  number: number;
};

export const transitionLogKey = (redis: RedisConnections) => redis.key('log', 'transitions');

/** Below `$`, where no client may publish or subscribe. */
export const appliedTopic = (replyTo: string) => `$fleetcast/transitions/${replyTo}`;

/** Trips move on some times in an hour: so many wait only when nobody has taken any out for long. */
const MAX_WAITING = 100_000;

/**
 * It is kept once it stands in the log. But a driver's next position is to count for the trip as it is by then, so the acknowledgement waits
 * until it is applied, if that is soon.
 */
const APPLIED_WITHIN_MS = 2000;

const APPEND_SCRIPT = `
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return redis.error_reply('the log of transitions is full') end
return redis.call('XADD', KEYS[1], '*', 'transition', ARGV[2])
`;

type Scripted = RedisConnection & {
  fleetcastTransition(key: string, max: number, json: string): Promise<string>;
};

/** Hands transitions to whoever applies them, in order. What becomes of them is told to their senders there. */
export function createLoggedDoor(redis: RedisConnections, emitter: Emitter): TransitionDoor {
  const commands = redis.connect('transitions') as Scripted;
  commands.defineCommand('fleetcastTransition', { numberOfKeys: 1, lua: APPEND_SCRIPT });
  const key = transitionLogKey(redis);
  const replyTo = randomUUID();
  const waiting = new Map<number, () => void>();
  let numbers = 0;
  emitter.on(appliedTopic(replyTo), (message, done) => {
    waiting.get(Number(message.payload.toString()))?.();
    done();
  });
  return {
    async submit(transition) {
      const number = ++numbers;
      const applied = new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, APPLIED_WITHIN_MS);
        waiting.set(number, () => {
          clearTimeout(timer);
          resolve();
        });
      });
      try {
        const logged: LoggedTransition = { ...transition, replyTo, number };
        await commands.fleetcastTransition(key, MAX_WAITING, JSON.stringify(logged));
        await applied;
        return undefined;
      } finally {
        waiting.get(number)?.();
        waiting.delete(number);
      }
    },
  };
}
