import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ended } from '../../support/services/guarded-process.ts';

const READY_WITHIN_MS = 10_000;

/** @throws Error with its log when it ends, or does not listen in time */
export async function untilListening(port: number, ended: Promise<Ended>): Promise<void> {
  const early = ended.then(({ code, log }) => {
    throw new Error(`ended with ${code}: ${log}`);
  });
  early.catch(() => undefined);
  for (const end = Date.now() + READY_WITHIN_MS; ; await Promise.race([sleep(20), early])) {
    if (await isListening(port)) return;
    if (Date.now() > end) throw new Error(`nobody listens on port ${port}`);
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
