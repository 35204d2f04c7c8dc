import { setTimeout as sleep } from 'node:timers/promises';
import type { Ended, GuardedProcess } from './guarded-process.ts';

/** A cold machine under load needs several seconds; a server that takes longer is not coming. */
const START_LIMIT_MS = 30_000;
const PAUSE_MS = 50;

/** Asks until the answer comes; gives up early when the server, if it is ours, has ended. */
export async function untilReady(
  name: string,
  probe: () => Promise<unknown>,
  server?: GuardedProcess,
): Promise<void> {
  let ended: Ended | undefined;
  void server?.ended.then((end) => {
    ended = end;
  });
  const limit = Date.now() + START_LIMIT_MS;
  for (;;) {
    const refusal = await probe().then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    if (ended) throw new Error(`${name} ended with ${ended.code} while starting:\n${ended.log}`);
    if (!refusal) return;
    if (Date.now() > limit) {
      throw new Error(`${name} did not answer within ${START_LIMIT_MS / 1000} s`, { cause: refusal.error });
    }
    await sleep(PAUSE_MS);
  }
}
