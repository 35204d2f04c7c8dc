import { setTimeout as delay } from 'node:timers/promises';
import type { TokenSigner } from '../../shared/auth/sign.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { SimulateOptions } from './options.ts';
import { type Addresses, Crowd } from './people/crowd.ts';
import { RestClient } from './rest.ts';
import { verify } from './verify.ts';

export type Run = {
  options: SimulateOptions;
  addresses: Addresses;
  signer: TokenSigner;
  ledger: Ledger;
  note: (text: string) => void;
  interrupted: AbortSignal;
};

export type RunResult = {
  /** That positions were published. */
  seconds: number;
  /** Positions that REST shows. */
  stored: number;
  /** undefined: it went to its end. */
  failure: string | undefined;
};

const CHECK_EVERY_MS = 20;
const CHECK_STALLED_EVERY_MS = 1_000;

/** At the end, for what is on its way: a platform may just be starting again. */
const SETTLE_WITHIN_MS = 30_000;
/** Once nothing is missing any more: for what should not come. */
const LISTEN_ON_MS = 1_000;

/** @returns whether the condition came to hold */
async function until(condition: () => boolean, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await delay(CHECK_EVERY_MS);
  }
  return true;
}

/** Resolves at the first of: the time is over, interrupted, somebody can't go on. */
async function untilOver(durationMs: number, ended: AbortSignal): Promise<void> {
  try {
    await delay(durationMs, undefined, { signal: ended });
  } catch (error) {
    if ((error as Error).name !== 'AbortError') throw error;
  }
}

/**
 * Connects everybody, lets them live for the duration, ends what is still on, waits for all that is on its way, and then
 * asks REST whether the platform's account is the same as ours. The ledger grows meanwhile.
 */
export async function run({
  options,
  addresses,
  signer,
  ledger,
  note,
  interrupted,
}: Run): Promise<RunResult> {
  const broken = new AbortController();
  let failure: string | undefined;
  const failed = (error: Error) => {
    failure ??= error.message;
    broken.abort();
  };
  const rest = new RestClient({ baseUrl: addresses.rest, statistics: ledger.statistics, note });
  const crowd = new Crowd({ options, addresses, signer, ledger, rest, note, failed });
  const ended = AbortSignal.any([interrupted, broken.signal]);
  const stalledTimer = setInterval(() => crowd.recycleStalled(), CHECK_STALLED_EVERY_MS);
  let seconds = 0;
  try {
    const leftovers = await crowd.open();
    if (leftovers > 0) note(`${leftovers} trips that an earlier run left behind are cancelled`);
    const startedAt = performance.now();
    crowd.start();
    await untilOver(options.durationMs, ended);
    crowd.stop();
    seconds = (performance.now() - startedAt) / 1000;
    await settle(crowd, ledger, note);
  } catch (error) {
    failed(error as Error);
  } finally {
    clearInterval(stalledTimer);
    await crowd.close();
  }
  ledger.close();
  note('asking REST for every position and trip');
  const stored = await verify({ ledger, rest, token: crowd.serviceToken });
  return { seconds, stored, failure };
}

async function settle(crowd: Crowd, ledger: Ledger, note: (text: string) => void): Promise<void> {
  note('waiting for what is on its way, and ending the trips that are still on');
  await crowd.dispatcher.stop();
  await until(() => crowd.unacknowledged === 0, SETTLE_WITHIN_MS);
  await crowd.dispatcher.cancelUnfinished();
  for (const driver of crowd.drivers) driver.signOff();
  await until(() => crowd.unacknowledged === 0 && ledger.isComplete, SETTLE_WITHIN_MS);
  await delay(LISTEN_ON_MS);
}
