import { setTimeout as delay } from 'node:timers/promises';
import type { DriverLedger } from './ledger/driver-ledger.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { TripLedger } from './ledger/trip-ledger.ts';
import { type Rest, RestError } from './rest.ts';

export type Verification = {
  ledger: Ledger;
  rest: Rest;
  /** Of a SERVICE. */
  token: string;
};

/** The most that a page of the history holds. */
const PAGE = 1000;

/** What is acknowledged may still wait for the database, which may just be coming back. */
const STORED_WITHIN_MS = 10_000;
const ASK_AGAIN_MS = 1_000;

/** How often each position of a driver is in the platform's history, by recordedAt in epoch ms. */
async function storedPositions(
  { rest, token }: Verification,
  { id, sent }: DriverLedger,
): Promise<Map<number, number>> {
  const stored = new Map<number, number>();
  const from = new Date(sent[0] ?? 0).toISOString();
  const to = new Date(sent.at(-1) ?? 0).toISOString();
  for (let cursor: unknown = ''; typeof cursor === 'string'; ) {
    const page = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const path = `/v1/drivers/${id}/history?from=${from}&to=${to}&limit=${PAGE}${page}`;
    const { status, body } = await rest.request(token, 'GET', path);
    if (status !== 200 || !Array.isArray(body.items))
      throw new RestError('GET', path, `${status} ${body.code ?? ''}`);
    for (const { recordedAt } of body.items as readonly { recordedAt?: unknown }[]) {
      const time = Date.parse(String(recordedAt));
      stored.set(time, (stored.get(time) ?? 0) + 1);
    }
    cursor = body.nextCursor;
  }
  return stored;
}

/** Every acknowledged position is in the history exactly once, and nothing else is. */
async function verifyDriver(
  verification: Verification,
  driver: DriverLedger,
  patienceMs: number,
): Promise<number> {
  if (driver.sent.length === 0) return 0;
  const { problems } = verification.ledger;
  const isComplete = (found: ReadonlyMap<number, number>) =>
    [...driver.acknowledged].filter((time) => !found.has(time)).length <= driver.refused;
  const deadline = performance.now() + patienceMs;
  let stored = await storedPositions(verification, driver);
  while (!isComplete(stored) && performance.now() < deadline) {
    await delay(ASK_AGAIN_MS);
    stored = await storedPositions(verification, driver);
  }
  const show = (time: number) => `${driver.id} ${new Date(time).toISOString()}`;
  const lost = [...driver.acknowledged].filter((time) => !stored.has(time));
  // A refused position was acknowledged too: which one it was, nobody says
  for (const time of lost.slice(driver.refused)) problems.add('positionLost', show(time));
  const sent = new Set(driver.sent);
  for (const [time, count] of stored) {
    if (count > 1) problems.add('positionDoubled', show(time));
    if (!sent.has(time)) problems.add('positionUnknown', show(time));
  }
  return stored.size;
}

/** A trip is what its rider saw of it. */
async function verifyTrip({ ledger, rest, token }: Verification, trip: TripLedger): Promise<void> {
  const path = `/v1/trips/${trip.id}`;
  const { status: answer, body } = await rest.request(token, 'GET', path);
  if (answer !== 200) throw new RestError('GET', path, `${answer} ${body.code ?? ''}`);
  const { status, version, riderId } = body;
  const seen = `${trip.status} version ${trip.version} of ${trip.riderId}`;
  const stands = `${status} version ${version} of ${riderId}`;
  if (seen !== stands) ledger.problems.add('tripWrong', `${trip.id}: seen ${seen}, stands ${stands}`);
}

/**
 * Asks REST for everything that was accounted for, driver by driver and trip by trip.
 * @param patienceMs for positions that are acknowledged, but not stored yet
 * @returns the positions that are stored
 */
export async function verify(verification: Verification, patienceMs = STORED_WITHIN_MS): Promise<number> {
  const { drivers, trips, problems } = verification.ledger;
  const settle = async <Result>(work: Promise<Result>): Promise<Result | undefined> => {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof RestError)) throw error;
      problems.add('requestFailed', error.message);
      return undefined;
    }
  };
  const stored = await Promise.all(
    [...drivers.values()].map((driver) => settle(verifyDriver(verification, driver, patienceMs))),
  );
  await Promise.all([...trips.values()].map((trip) => settle(verifyTrip(verification, trip))));
  return stored.reduce<number>((sum, count) => sum + (count ?? 0), 0);
}
