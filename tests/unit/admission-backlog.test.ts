import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  type AdmissionDesk,
  at,
  DAY_MS,
  limited,
  NOW,
  openAdmissionDesk,
  turn,
} from '../support/admission-desk.ts';

let desk: AdmissionDesk;
beforeEach(() => {
  desk = openAdmissionDesk();
});

describe('a backlog', () => {
  test('loses only the bad ones, and says where they stood', async () => {
    const bad = at(0, { longitude: 999 });
    const sent = desk.backlog('a', [bad, at(-5), at(61_000), at(-4), null, at(-8 * DAY_MS), at(-3)]);
    await turn();
    expect(desk.appends[0]?.submissions[0]?.positions.map(({ recordedAt }) => recordedAt)).toEqual([
      NOW - 5,
      NOW - 4,
      NOW - 3,
    ]);
    desk.appends[0]?.keep(['duplicate', 'INVALID_PAYLOAD', 'accepted']);
    await turn();
    expect(sent.result).toEqual({
      accepted: 1,
      duplicates: 1,
      rejected: [
        [0, 'INVALID_PAYLOAD'],
        [2, 'IN_FUTURE'],
        [3, 'INVALID_PAYLOAD'],
        [4, 'INVALID_PAYLOAD'],
        [5, 'TOO_OLD'],
      ].map(([index, code]) => ({ index, code, message: expect.any(String) })),
    });
    expect(await desk.verdicts()).toEqual({
      accepted: 1,
      duplicate: 1,
      INVALID_PAYLOAD: 3,
      IN_FUTURE: 1,
      TOO_OLD: 1,
    });
  });

  test('of nothing but bad ones is answered without the log', async () => {
    const sent = desk.backlog('a', [null, 1]);
    expect(sent.result).toMatchObject({
      accepted: 0,
      duplicates: 0,
      rejected: [{ index: 0 }, { index: 1 }],
    });
    await turn();
    expect(desk.appends).toHaveLength(0);
  });

  test.each([
    ['nothing', []],
    ['what is no array', {}],
    ['501', Array.from({ length: 501 }, () => at(0))],
  ])('of %s is refused as a whole', (_name, payload) => {
    expect(desk.backlog('a', payload).result).toMatchObject({ refusal: { code: 'INVALID_PAYLOAD' } });
  });

  test('of 500 is taken', async () => {
    const sent = desk.backlog(
      'a',
      Array.from({ length: 500 }, (_, index) => at(-index)),
    );
    await turn();
    desk.appends[0]?.keep();
    await turn();
    expect(sent.result).toEqual({ accepted: 500, duplicates: 0, rejected: [] });
  });

  test('that the log refuses is refused as a whole, and counted position by position', async () => {
    desk.decide = limited;
    const sent = desk.backlog('a', [at(-1), at(-2), at(-3)]);
    await turn();
    expect(sent.result).toMatchObject({ refusal: { code: 'RATE_LIMITED', retryAfterMs: 9 } });
    expect(await desk.verdicts()).toEqual({ RATE_LIMITED: 3 });
  });

  test('gives its followers the newest alone', async () => {
    desk.deliver = ({ recordedAt }) => desk.events.push(`delivered ${recordedAt - NOW}`);
    desk.backlog('a', [at(-3), at(-2), at(-1)]);
    await turn();
    expect(desk.events).toEqual(['seen a', 'delivered -1']);
  });
});
