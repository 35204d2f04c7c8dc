import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ownTracksLocation, seconds, sendAsDevice } from '../support/devices.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { token } from '../support/platform.ts';
import { type Answer, caller, expectProblem } from '../support/rest.ts';

/** Requests a minute and address. */
const LIMIT = 5;
/** Positions a minute and driver that waited in their device. */
const BUDGET = 10;

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet({
    API_RATE_LIMIT_PER_MINUTE: String(LIMIT),
    BACKLOG_MAX_PER_MINUTE: String(BUDGET),
  });
});
afterAll(() => fleet?.stop());

const osmAnd = (bearer: string, more = '') =>
  sendAsDevice(fleet.platform, { path: `/osmand/${bearer}?lat=1&lon=2${more}` });
const ownTracks = (bearer: string, fields: object = {}) =>
  sendAsDevice(fleet.platform, { path: `/owntracks/${bearer}`, body: ownTracksLocation({ ...fields }) });

const times = <T>(count: number, make: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)));

const statuses = (answers: readonly Answer[]) => [...new Set(answers.map(({ status }) => status))];

function expectLater(answer: Answer): void {
  const { retryAfterMs } = expectProblem(answer, 429, 'RATE_LIMITED');
  expect(retryAfterMs).toBeGreaterThan(0);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
}

describe('a fleet behind one address', () => {
  test('loses no position to the limit of the address', async () => {
    const devices = await times(LIMIT * 4, async (index) => {
      const bearer = await token('DRIVER', `fleet-${index}`);
      return [await ownTracks(bearer), await osmAnd(bearer)];
    });
    expect(statuses(devices.flat())).toEqual([200]);
    for (const index of [0, LIMIT * 4 - 1]) {
      const service = caller(fleet.platform, await token('SERVICE', 'reader'));
      const { status, body } = await service.get(`/v1/drivers/fleet-${index}/location`);
      expect({ status, body }).toMatchObject({ status: 200, body: { driverId: `fleet-${index}` } });
    }
  });

  test('is limited where it comes without a good token, and what has one still passes', async () => {
    const bad = await times(LIMIT * 2, () => osmAnd('a.b.c'));
    expect(statuses(bad).sort()).toEqual([401, 429]);
    expect(bad.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(LIMIT);
    expectLater(await ownTracks('a.b.c'));
    expect(statuses([await osmAnd(await token('DRIVER', 'fleet-0'))])).toEqual([200]);
  });
});

describe('a device that sends more of what it has kept than the budget of a backlog', () => {
  test.each([
    ['OwnTracks', 'tracker-1', ownTracks],
    ['OsmAnd', 'tracker-2', osmAnd],
  ] as const)('is told to come again, and loses nothing: %s', async (_name, driver, door) => {
    const bearer = await token('DRIVER', driver);
    const start = seconds(Date.now()) - 3600;
    const send = (tst: number) =>
      door === ownTracks ? ownTracks(bearer, { tst }) : osmAnd(bearer, `&timestamp=${tst}`);
    for (let second = 0; second < BUDGET; second++) expect((await send(start + second)).status).toBe(200);
    // A busy machine may have refilled some of it meanwhile
    let answer = await send(start + BUDGET);
    for (let second = 1; answer.status === 200 && second < BUDGET; second++)
      answer = await send(start + BUDGET + second);
    expectLater(answer);
  });
});
